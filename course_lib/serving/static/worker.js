// Runs the classifier beside the page, which so never waits for it. client.js starts it and talks to it.
"use strict";

let classifier, wanted = 0;

const say = (id, message) => postMessage({id, ...message});

async function load({base, files}) {
  const total = Object.values(files).reduce((sum, {bytes}) => sum + bytes, 0);
  let received = 0;
  const fetched = {};
  for (const [name, {bytes, sha256}] of Object.entries(files)) {
    const response = await fetch(new URL(name, base));
    if (!response.ok) throw new Error(`${name} is missing (status ${response.status})`);
    const content = new Uint8Array(bytes);
    let size = 0;
    for (const reader = response.body.getReader(); ;) {
      const {done, value} = await reader.read();
      if (done) break;
      if (size + value.length > bytes) throw new Error(`${name} is longer than it should be`);
      content.set(value, size);
      size += value.length;
      say(0, {progress: (received += value.length) / total});
    }
    if (size < bytes) throw new Error(`${name} is shorter than it should be`);
    if (self.crypto?.subtle) {  // Not on a page without TLS, unless it is this machine's.
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
      const hex = [...digest].map(byte => byte.toString(16).padStart(2, "0")).join("");
      if (hex !== sha256) throw new Error(`${name} is damaged or of another version`);
    }
    fetched[name] = content;
  }
  const parsed = name => JSON.parse(new TextDecoder().decode(fetched[name]));
  const {Classifier} = await import(new URL("classifier.js", base));
  classifier = await Classifier.load(base, {
    card: parsed("card.json"), tokenizer: parsed("tokenizer.json"), model: fetched["model.tflite"],
  });
  await classifier.predict("");  // The first run takes longer.
}

async function explain(id, text) {
  for await (const found of classifier.explain(text)) {
    if (id !== wanted) return say(id, {stopped: true});  // Something else was asked meanwhile.
    say(id, {found});
    await new Promise(resolve => setTimeout(resolve));  // Lets questions in.
  }
  say(id, {});
}

onmessage = async ({data: {id, kind, text, ...rest}}) => {
  wanted = id;
  try {
    if (kind === "load") await load(rest);
    if (kind === "explain") return await explain(id, text);
    const started = performance.now();
    const prediction = kind === "predict" ? await classifier.predict(text) : null;
    say(id, {prediction, milliseconds: performance.now() - started});
  } catch (error) {
    say(id, {error: error.message});
  }
};
