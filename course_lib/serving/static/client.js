// The classifier for a page: it runs in a worker of its own.

// Starts it; `files` names what it loads, with sizes and checksums, as page.json does. `progress` is called
// with the share that has come.
export async function connect(base, files, progress = () => {}) {
  // A worker from a file has no Content-Security-Policy but its server's; one from a blob has the page's.
  const start = `importScripts(${JSON.stringify(new URL("worker.js", base).href)})`;
  const address = URL.createObjectURL(new Blob([start], {type: "text/javascript"}));
  const worker = new Worker(address);
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({data}) => {
    if (data.progress !== undefined) return progress(data.progress);
    const question = waiting.get(data.id);
    if (data.found) return question.each(data.found);
    waiting.delete(data.id);
    return data.error ? question.reject(new Error(data.error)) : question.resolve(data);
  };
  const broken = new Promise((_, reject) => {
    worker.onerror = event => reject(new Error(event.message || "the worker could not be started"));
  });
  const ask = (message, each) => new Promise((resolve, reject) => {
    const id = ++last;
    waiting.set(id, {each, resolve, reject});
    worker.postMessage({...message, id});
  });
  await Promise.race([broken, ask({kind: "load", base: String(base), files})]);
  URL.revokeObjectURL(address);
  return {
    // The verdict on a text, with the `milliseconds` that it took.
    predict: async text => {
      const {prediction, milliseconds} = await ask({kind: "predict", text});
      return {...prediction, milliseconds};
    },
    // Calls `each` with what Classifier.explain finds; says whether that was all. Any later question ends it.
    explain: async (text, each) => !(await ask({kind: "explain", text}, each)).stopped,
    close: () => worker.terminate(),
  };
}
