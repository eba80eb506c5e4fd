// What the page shows, and when it asks the classifier.

import {connect} from "./client.js";
import {colour, tellMost} from "./words.js";

const PAUSE = 700;  // Milliseconds without a key until the words that mattered are looked for.
const base = new URL(".", import.meta.url);
const element = id => document.getElementById(id);
const percent = share => `${(100 * share).toFixed(1)} %`;
const number = new Intl.NumberFormat("en");

let classifier = null, card = null, busy = false, stale = false, timer = 0, shown = null;

const text = () => element("text").value;

// The words

function showWords({words, seen}) {
  const place = element("words"), read = new Set(seen), spans = new Map();
  place.replaceChildren();
  for (let start = 0; start < words.length; start++) {
    if (read.has(start)) {
      const span = document.createElement("span");
      span.textContent = words[start];  // Never as HTML: it is what somebody typed.
      spans.set(start, {word: words[start], span});
      place.append(span, " ");
      continue;
    }
    const first = start;
    while (start + 1 < words.length && !read.has(start + 1)) start++;
    const gap = document.createElement("span");
    gap.className = "gap";
    const count = start - first + 1;
    gap.textContent = `[${number.format(count)} ${count === 1 ? "word that was" : "words that were"} not read]`;
    place.append(gap, " ");
  }
  element("most").textContent = "";
  element("explanation").hidden = false;
  return spans;
}

async function explain(asked) {
  let spans, counted = 0;
  announce("verdict", "note");
  const all = await classifier.explain(asked, found => {
    if (found.words) {
      spans = showWords(found);
      return;
    }
    spans.get(found.place).change = found.change;
    counted++;
    colour([...spans.values()].filter(each => each.change !== undefined));
    element("most").textContent = `Looking for the words that mattered: ${counted} of ${spans.size} ...`;
  });
  if (!all || asked !== text()) return;
  tellMost(element("most"), [...spans.values()]);
  announce("most");
}

// The verdict

function showVerdict(prediction) {
  const {label, probability, probabilities, ids, tokens, truncated, milliseconds} = prediction;
  element("verdict").textContent = `${label}, ${percent(probability)} sure`;
  element("note").textContent = truncated
    ? `The review is long: of its ${number.format(tokens)} tokens the model read ${number.format(ids.length)}.` : "";
  const bars = element("bars");
  if (bars.children.length !== card.labels.length) {
    bars.replaceChildren(...card.labels.map(name => {
      const row = document.createElement("li");
      const parts = ["name", "track", "share"].map(kind => {
        const part = document.createElement("span");
        part.className = kind;
        return part;
      });
      parts[0].textContent = name;
      parts[1].append(Object.assign(document.createElement("span"), {className: "fill"}));
      row.append(parts[0], " ", parts[1], " ", parts[2]);
      return row;
    }));
  }
  probabilities.forEach((share, place) => {
    const row = bars.children[place];
    row.className = card.labels[place] === label ? "best" : "";
    row.querySelector(".fill").style.setProperty("--share", share.toFixed(4));
    row.querySelector(".share").textContent = percent(share);
  });
  element("answer").hidden = false;
  element("facts").textContent = `${facts()} This text took ${milliseconds.toFixed(0)} ms.`;
}

function clear(words) {
  for (const id of ["answer", "explanation"]) element(id).hidden = true;
  element("count").textContent = words;
}

// One question at a time: while it runs, only the last thing typed waits.
async function classify() {
  if (!classifier) return;
  if (busy) {
    stale = true;
    return;
  }
  busy = true;
  do {
    stale = false;
    const asked = text();
    if (asked === shown) continue;
    element("explanation").hidden = true;
    shown = asked;
    if (!asked.trim()) {
      clear("");
      continue;
    }
    try {
      const prediction = await classifier.predict(asked);
      if (prediction.words) {
        element("count").textContent = "";
        showVerdict(prediction);
        later(asked);
      } else {
        clear("There is nothing but tags in it.");
      }
    } catch (error) {
      clear(`The text could not be classified: ${error.message}.`);
    }
  } while (stale);
  busy = false;
}

function later(asked) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (asked === text() && !busy) explain(asked).catch(error => (element("most").textContent = error.message));
  }, PAUSE);
}

// Tells a screen reader: after a pause, not with every key.
function announce(...ids) {
  element("announcement").textContent = ids.map(id => element(id).textContent).filter(Boolean).join(". ");
}

// The start

function facts() {
  const size = card.megabytes ? `The model has ${card.megabytes} MB. ` : "";
  return `${size}It reads up to ${card.lengths.at(-1)} tokens of a text.`;
}

// Keeps the page for when there is no network; whether it can is up to the browser and the server.
async function keep() {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const registration = await workers.register(new URL("service-worker.js", base));
  if (registration.active) return;
  const controlled = new Promise(resolve => workers.addEventListener("controllerchange", resolve, {once: true}));
  await Promise.race([controlled, new Promise(resolve => setTimeout(resolve, 5000))]);
}

// Whether all that the page has loaded is kept, which takes a moment longer than loading it.
async function kept(loaded, builds) {
  const here = async name => Boolean(await caches.match(new URL(name, base)));
  for (let second = 0; navigator.serviceWorker?.controller && second < 30; second++) {
    const found = await Promise.all(loaded.map(here)), built = await Promise.all(builds.map(here));
    if (found.every(Boolean) && built.some(Boolean)) return true;  // Of LiteRT a browser takes one build.
    await new Promise(resolve => setTimeout(resolve, 1000));
  }
  return false;
}

async function start() {
  const state = element("state"), progress = element("progress");
  state.textContent = "Loading the model ...";
  progress.hidden = false;
  try {
    await keep().catch(() => {});  // Without it the page works as long as there is a network.
    const {files} = await (await fetch(new URL("page.json", base))).json();
    const names = ["card.json", "tokenizer.json", "model.tflite"];
    const wanted = Object.fromEntries(names.map(name => [name, files[name]]));
    const megabytes = (names.reduce((sum, name) => sum + files[name].bytes, 0) / 1e6).toFixed(0);
    card = await (await fetch(new URL("card.json", base))).json();
    const connected = await connect(base, wanted, share => {
      progress.value = share;
      state.textContent = share < 1
        ? `Loading the model: ${(share * megabytes).toFixed(0)} of ${megabytes} MB ...` : "Starting the model ...";
    });
    progress.hidden = true;
    state.textContent = "Ready.";
    announce("state");
    element("facts").textContent = facts();
    classifier = connected;
    classify();
    if (await kept(names, Object.keys(files).filter(name => name.endsWith(".wasm")))) state.textContent = "Ready. From now on it works without a network, too.";
  } catch (error) {
    progress.hidden = true;
    state.textContent = `The model could not be loaded: ${error.message}. Reload the page to try again.`;
    announce("state");
  }
}

for (const kind of ["input", "change"]) element("text").addEventListener(kind, classify);
element("form").addEventListener("submit", event => event.preventDefault());
element("examples").addEventListener("click", ({target}) => {
  if (!target.dataset.text) return;
  element("text").value = target.dataset.text;
  classify();
});
start();
