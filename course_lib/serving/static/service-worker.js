// Keeps the page's files, so that it works without a network. It asks nobody but the page's own server.
"use strict";

const VERSION = "{{version}}";  // Another one with every change of any file.
const FILES = new Set({{files}});
const PREFIX = `course-page ${registration.scope} `;  // Other pages of this server have caches of their own.
const NAME = PREFIX + VERSION;
const large = name => /^litert\/wasm\/|^model.tflite$|^tokenizer.json$/.test(name);  // Kept as they come.

const address = name => new URL(name, registration.scope).href;

// Past the browser's own cache, which may hold a file of the version before.
const fresh = name => new Request(address(name), {cache: "no-cache"});

addEventListener("install", event => event.waitUntil(
  caches.open(NAME).then(cache => cache.addAll([...FILES].filter(name => !large(name)).map(fresh))),
));

addEventListener("activate", event => event.waitUntil((async () => {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
  }
  await clients.claim();
})()));

async function answer(event, name) {
  const cache = await caches.open(NAME);
  const found = await cache.match(address(name));
  if (found) return found;
  const response = await fetch(fresh(name));
  if (response.ok) event.waitUntil(cache.put(address(name), response.clone()).catch(() => {}));  // If there is room.
  return response;
}

addEventListener("fetch", event => {
  const {origin, pathname} = new URL(event.request.url);
  const {origin: home, pathname: folder} = new URL(registration.scope);
  if (event.request.method !== "GET" || origin !== home || !pathname.startsWith(folder)) return;
  const name = decodeURIComponent(pathname.slice(folder.length)) || "index.html";
  if (FILES.has(name)) event.respondWith(answer(event, name));
});
