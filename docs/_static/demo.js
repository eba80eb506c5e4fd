// The classifier on the landing page. It is loaded when somebody asks for a verdict, not before.

const form = document.getElementById("demo");
const element = name => document.getElementById(`demo-${name}`);
const say = (name, values) => Object.entries(values).reduce(
  (text, [key, value]) => text.replace(`{${key}}`, value), form.dataset[name]);

let classifier = null, words = null, asked = null;

async function load() {
  const base = new URL(form.dataset.base, document.baseURI);
  const [{connect}, found] = await Promise.all([import(new URL("client.js", base)), import(new URL("words.js", base))]);
  words = found;
  const {files} = await (await fetch(new URL("page.json", base))).json();
  const names = ["card.json", "tokenizer.json", "model.tflite"];
  const all = (names.reduce((sum, name) => sum + files[name].bytes, 0) / 1e6).toFixed(0);
  const progress = element("progress");
  progress.hidden = false;
  classifier = await connect(base, Object.fromEntries(names.map(name => [name, files[name]])), share => {
    progress.value = share;
    element("state").textContent = share < 1 ? say("loading", {done: (share * all).toFixed(0), all}) : say("starting", {});
  });
  progress.hidden = true;
  element("state").textContent = "";
}

async function judge() {
  const text = element("text").value;
  if (!classifier || text === asked || !text.trim()) return;
  asked = text;
  const {label, probability, milliseconds} = await classifier.predict(text);
  const verdict = element("verdict");
  verdict.textContent = say("sure", {label: form.dataset[label] ?? label, percent: (100 * probability).toFixed(1)});
  verdict.hidden = false;
  element("state").textContent = say("took", {milliseconds: milliseconds.toFixed(0)});
  Object.assign(form.dataset, {verdict: label, probability, asked: text});  // For tools/check_site.py.
  await explain(text);
}

async function explain(text) {
  const line = element("words"), most = element("most"), spans = new Map();
  line.hidden = most.hidden = true;
  const all = await classifier.explain(text, found => {
    if (found.words) {
      line.replaceChildren(...found.words.flatMap((word, place) => {
        const span = Object.assign(document.createElement("span"), {textContent: word});  // Never as HTML.
        spans.set(place, {word, span, change: 0});
        return [span, " "];
      }));
    } else {
      spans.get(found.place).change = found.change;
    }
  });
  if (!all || text !== element("text").value) return;
  words.colour([...spans.values()]);
  const strong = [...spans.values()].filter(({change}) => change >= 0.01).sort((a, b) => b.change - a.change);
  most.textContent = strong.length ? say("most", {words: strong.slice(0, 3).map(({word}) => word).join(", ")}) : say("none", {});
  line.hidden = most.hidden = false;
}

form?.addEventListener("submit", async event => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    if (!classifier) await load();
    await judge();
    button.hidden = true;  // From now on it reads along.
  } catch (error) {
    element("progress").hidden = true;
    element("state").textContent = `${say("failed", {})} (${error.message})`;
  }
  button.disabled = false;
});
let timer = 0;
element("text")?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => judge().catch(error => (element("state").textContent = error.message)), 300);
});
