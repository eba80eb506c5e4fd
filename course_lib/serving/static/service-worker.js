// Keeps the page's files, so that it works without a network. It asks nobody but the page's own server.
"use strict";

const VERSION = "{{version}}";  // Another one with every change of any file.
const FILES = {{files}};  // Their SHA-256.
const PREFIX = `course-page ${registration.scope} `;  // Other pages of this server have caches of their own.
const NAME = PREFIX + VERSION;
const large = name => /^litert\/wasm\/|^model\.tflite$|^tokenizer\.json$/.test(name);

const address = name => new URL(name, registration.scope).href;

// Past the browser's own cache, which may hold a file of the version before.
const bring = name => fetch(address(name), {cache: "no-cache"});

// Keeps a file if it is what it should be, and says so: a server in the middle of an update has some of both.
async function keep(cache, name, response) {
  if (!response?.ok) return false;
  const content = await response.clone().arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const hex = [...digest].map(byte => byte.toString(16).padStart(2, "0")).join("");
  if (FILES[name] && FILES[name] !== hex) return false;
  await cache.put(address(name), response);
  return true;
}

async function install(cache, name) {
  const before = await caches.match(address(name));  // Of an earlier version, perhaps the same.
  if (large(name) && !before) return;  // It is kept when the page asks for it.
  if (FILES[name] && await keep(cache, name, before)) return;
  if (!await keep(cache, name, await bring(name))) throw new Error(`${name} is not that of version ${VERSION}`);
}

addEventListener("install", event => event.waitUntil((async () => {
  const cache = await caches.open(NAME);
  await Promise.all(Object.keys(FILES).map(name => install(cache, name)));
})()));

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
  const response = await bring(name);
  event.waitUntil(keep(cache, name, response.clone()).catch(() => {}));  // There may be no room.
  return response;
}

addEventListener("fetch", event => {
  const {origin, pathname} = new URL(event.request.url);
  const {origin: home, pathname: folder} = new URL(registration.scope);
  if (event.request.method !== "GET" || origin !== home || !pathname.startsWith(folder)) return;
  const name = decodeURIComponent(pathname.slice(folder.length)) || "index.html";
  if (Object.hasOwn(FILES, name)) event.respondWith(answer(event, name));
});
