// The chats, kept in this browser's IndexedDB, each in a record of its own.
//
// A chat: {id, title, created, system, model, settings, messages: [{id, role, content, ...}]}.
// Tabs tell each other which chat they have changed. A change is applied to what is stored at that moment, so that two
// tabs can change the same chat.

import { newId } from "./dom.js";
import { T } from "./texts.js";

const ROLES = ["user", "assistant"];
const channel = new BroadcastChannel("gpt4all-chats");
const chats = new Map();
let database = null; // stays null where the browser keeps nothing
let changed = () => {};

// Reads all chats. `onChange(id)` is called after each change, here or in another tab. Rejects if nothing can be kept.
export async function open(onChange) {
  changed = onChange;
  const request = indexedDB.open("gpt4all", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("chats", { keyPath: "id" });
  database = await result(request);
  for (const chat of await result(transaction("readonly").getAll())) chats.set(chat.id, chat);
  channel.onmessage = async ({ data: id }) => keep(id, await result(transaction("readonly").get(id)));
}

export const get = (id) => chats.get(id);

// All chats, the newest first.
export const all = () => [...chats.values()].sort((a, b) => b.created - a.created);

export async function create(chat) {
  const made = { title: "", created: Date.now(), system: "", model: "", settings: {}, messages: [], ...chat, id: newId() };
  await write(made.id, () => made);
  return made;
}

// Calls `change(chat)`, which changes the chat as it is now. Does nothing if it was deleted.
export const update = (id, change) => write(id, (chat) => (chat ? (change(chat), chat) : undefined));

export const remove = (id) => write(id, () => undefined);

export const exported = () => JSON.stringify({ format: "gpt4all-wsgi chats", version: 1, chats: all() }, null, 2);

// Adds the chats of an export that are not here. Returns how many were added, and how many were here already.
// Throws an Error that says what is wrong.
export async function imported(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error(T.notChats);
  }
  if (data?.format !== "gpt4all-wsgi chats" || !Array.isArray(data.chats)) throw new Error(T.notChats);
  const found = data.chats.map(checkedChat);
  const added = found.filter((chat) => !chats.has(chat.id));
  for (const chat of added) await write(chat.id, () => chat);
  return [added.length, found.length - added.length];
}

async function write(id, change) {
  if (database === null) {
    keep(id, change(chats.get(id)));
    return;
  }
  const store = transaction("readwrite");
  const chat = change(await result(store.get(id)));
  await result(chat ? store.put(chat) : store.delete(id));
  keep(id, chat);
  channel.postMessage(id);
}

function keep(id, chat) {
  if (chat) chats.set(id, chat);
  else chats.delete(id);
  changed(id);
}

const transaction = (mode) => database.transaction("chats", mode).objectStore("chats");

const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// What an export may contain, and nothing else of it.
function checkedChat(chat) {
  if (typeof chat?.title !== "string" || !/^\w{1,64}$/.test(chat.id) || !Array.isArray(chat.messages)) {
    throw new Error(T.notChats);
  }
  const messages = chat.messages.map((message) => {
    if (!ROLES.includes(message?.role) || typeof message.content !== "string") throw new Error(T.wrongMessage(chat.title));
    return {
      id: newId(),
      role: message.role,
      content: message.content,
      reasoning: text(message.reasoning),
      model: text(message.model),
      references: Array.isArray(message.references) ? message.references.map(checkedReference) : null,
    };
  });
  const settings = Object.entries(chat.settings ?? {}).filter(([, value]) => ["string", "number"].includes(typeof value));
  return {
    id: chat.id,
    title: chat.title,
    created: Number(chat.created) || Date.now(),
    system: text(chat.system),
    model: text(chat.model),
    settings: Object.fromEntries(settings),
    messages,
  };
}

const text = (value) => (typeof value === "string" ? value : "");

const checkedReference = (found) => ({
  ...Object.fromEntries(["file", "title", "author", "date", "text", "collection", "path"].map((k) => [k, text(found?.[k])])),
  ...Object.fromEntries(["page", "from", "to"].map((k) => [k, Number.isInteger(found?.[k]) ? found[k] : -1])),
});
