// The page, put together.

import { answer, current, stop } from "./answering.js";
import * as api from "./api.js";
import { Chats, SERVER } from "./chats.js";
import { button, el, followEnd, newId } from "./dom.js";
import { Message } from "./messages.js";
import { ServerChat } from "./server_chat.js";
import { LocalDocs, Settings } from "./side.js";
import * as store from "./store.js";
import { T } from "./texts.js";

const LOOK_EVERY = 5000, LOOK_EVERY_WHILE_READING = 1000; // milliseconds, at the collections
const LOOK_FOR_THE_SERVER_EVERY = 2000;
const LONGEST_TITLE = 60;

let chatId = null; // SERVER, or null for a chat that has no message yet
let draft = { system: "", model: "", settings: {}, messages: [] }; // that chat
let models = [];
let offline = false;
const shown = new Map(); // the messages on the screen, by id: [as JSON, Message]

// The parts

const chats = new Chats({ select, say });
const localDocs = new LocalDocs(greet, fail);
const settings = new Settings(changeChat);
const modelChoice = el("select", { "aria-label": T.model, onchange: () => changeChat((chat) => (chat.model = modelChoice.value)) });
const list = el("div", { className: "messages" });
const greeting = el("div", { className: "greeting" }, el("h2", {}, T.hello), el("p", { className: "quiet" }));
const serverChat = new ServerChat();
const content = el("div", {}, greeting, list);
const scroller = el("div", { className: "scroller", tabIndex: -1 }, content);
const toEnd = followEnd(scroller, content);
const heading = el("h1", {});
const box = el("textarea", { id: "message", rows: 1, dir: "auto", placeholder: T.placeholder, "aria-label": T.message, "aria-describedby": "keys" });
const sending = el("button", { className: "primary" }, T.send);
const stopping = button(T.stop, () => stop(chatId), { hidden: true });
const composer = el("form", { className: "composer", onsubmit: send },
  el("div", { className: "box" }, box, sending, stopping), el("p", { id: "keys", className: "quiet" }, T.keys));
const banner = el("p", { className: "banner", role: "status", hidden: true }, T.offline);
const toast = el("p", { className: "toast", role: "status" });
const announced = el("p", { className: "hidden", "aria-live": "polite" });
const left = drawer("left", T.showChats, "☰", chats.element);
const right = drawer("right", T.showSide, "⚙", localDocs.element, settings.element);

function drawer(side, label, sign, ...children) {
  const opener = button(sign, () => toggle(true), { className: `opener ${side}`, "aria-label": label, "aria-expanded": "false" });
  const closer = button("✕", () => toggle(false), { className: "closer", "aria-label": T.close });
  const element = el("aside", { className: side, "aria-label": label }, closer, ...children);
  const toggle = (open) => {
    if (open === element.classList.contains("open")) return;
    element.classList.toggle("open", open);
    opener.setAttribute("aria-expanded", String(open));
    (open ? closer : opener).focus();
  };
  return { element, opener, close: () => toggle(false) };
}

// Which chat is shown

const chatNow = () => store.get(chatId) ?? draft;

function select(id) {
  const before = chatNow();
  chatId = id;
  if (id === null) draft = { system: "", model: before.model, settings: { ...before.settings }, messages: [] };
  history.replaceState(null, "", id === null ? "/" : `#${id}`);
  shown.clear();
  list.replaceChildren();
  left.close();
  show();
  toEnd();
  box.value = sessionStorage.getItem(`draft-${chatId}`) ?? "";
  if (id !== SERVER) box.focus();
}

function show() {
  const isServer = chatId === SERVER;
  chats.current = chatId;
  chats.draw();
  scroller.classList.toggle("of-server", isServer);
  composer.hidden = isServer;
  if (isServer !== serverChat.element.isConnected) {
    if (isServer) list.replaceWith(serverChat.element);
    else serverChat.element.replaceWith(list);
    isServer ? serverChat.start() : serverChat.stop();
  }
  settings.element.hidden = modelChoice.hidden = isServer;
  if (isServer) greeting.hidden = true;
  else showChat();
  document.title = heading.textContent = isServer ? T.serverChat : chatNow().title || T.app;
  heading.classList.toggle("hidden", !isServer); // a chat has its title in the list
}

function showChat() {
  const chat = chatNow();
  const ids = new Set(chat.messages.map(({ id }) => id));
  for (const [id, [, message]] of shown) {
    if (!ids.has(id)) {
      message.element.remove();
      shown.delete(id);
    }
  }
  let question = "";
  for (const stored of chat.messages) {
    if (stored.role === "user") question = stored.content;
    const own = current(chatId);
    const message = own?.id === stored.id ? own : stored;
    const json = JSON.stringify(stored);
    const [old, view] = shown.get(stored.id) ?? [];
    if (view && (old === json || message === own)) continue;
    const made = new Message(message, question, buttons, model()?.context_length);
    if (view) view.element.replaceWith(made.element);
    else list.append(made.element);
    shown.set(stored.id, [json, made]);
  }
  const busy = current(chatId) !== undefined;
  sending.hidden = busy;
  stopping.hidden = !busy;
  modelChoice.value = model()?.name ?? "";
  settings.show(chat, model()?.defaults);
  greet();
}

function greet() {
  greeting.hidden = chatId === SERVER || chatNow().messages.length > 0;
  const names = localDocs.active.map(({ name }) => name);
  greeting.lastChild.textContent = names.length ? T.helloDocs(names) : T.helloNoDocs;
}

const model = () => models.find(({ name }) => name === chatNow().model) ?? models.find((one) => one.default);

async function changeChat(change) {
  if (chatId === null) {
    change(draft);
    show();
  } else await store.update(chatId, change);
}

// Asking

async function send(event) {
  event.preventDefault();
  const content = box.value.trim();
  if (!content || current(chatId)) return;
  box.value = "";
  sessionStorage.removeItem(`draft-${chatId}`);
  const asked = { id: newId(), role: "user", content };
  if (chatId === null) {
    const title = content.split("\n")[0].slice(0, LONGEST_TITLE);
    const { id } = await store.create({ ...draft, title, messages: [asked] });
    select(id);
  } else await store.update(chatId, ({ messages }) => messages.push(asked));
  await ask();
}

async function ask() {
  toEnd();
  await answer(chatId, localDocs.active.length > 0, (id, message) => {
    if (id !== chatId) return;
    const [, view] = shown.get(message.id) ?? [];
    if (message.pending) view?.grow();
    else {
      shown.set(message.id, ["", view]);
      show();
      announced.textContent = message.error ?? T.answered;
    }
    if (message.error === T.lost) wait();
  });
}

const buttons = {
  isCurrent: (message) => current(chatId)?.id === message.id,
  edit: (message, content) => askFrom(message, (messages, index) => {
    messages[index].content = content;
    messages.length = index + 1;
  }),
  regenerate: (message) => askFrom(message, (messages, index) => (messages.length = index)),
};

async function askFrom(message, change) {
  if (current(chatId)) return;
  await store.update(chatId, ({ messages }) => change(messages, messages.findIndex(({ id }) => id === message.id)));
  await ask();
}

// What the server has

async function look() {
  let reading = false;
  if (!document.hidden) {
    try {
      const collections = await api.collections();
      reading = collections.some(({ progress }) => progress !== null);
      localDocs.show(collections);
      greet();
    } catch (error) {
      fail(error);
    }
  }
  setTimeout(look, reading ? LOOK_EVERY_WHILE_READING : LOOK_EVERY);
}

async function loadModels() {
  models = await api.models();
  modelChoice.replaceChildren(...models.map(({ name, problem, default: isDefault }) =>
    el("option", { value: name, disabled: problem !== null },
      problem !== null ? T.notUsable(name, problem) : isDefault ? T.isDefault(name) : name)));
  if (!models.some(({ problem }) => problem === null)) {
    modelChoice.prepend(el("option", { value: "" }, T.noModel));
  }
  show();
}

function fail(error) {
  if (error instanceof api.Unreachable) wait();
  else say(T.failed(error.message));
}

async function wait() {
  if (offline) return;
  offline = true;
  banner.hidden = false;
  while (!(await api.isUp())) await new Promise((resolve) => setTimeout(resolve, LOOK_FOR_THE_SERVER_EVERY));
  offline = false;
  banner.hidden = true;
  loadModels().catch(fail);
}

function say(text) {
  toast.textContent = text;
  toast.classList.add("seen");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => toast.classList.remove("seen"), 6000);
}

api.onKeyNeeded((wrong) => new Promise((resolve) => {
  const field = el("input", { id: "key", type: "password", required: true, autocomplete: "off" });
  const dialog = el("dialog", { "aria-labelledby": "key-title", oncancel: (event) => event.preventDefault() },
    el("form", { onsubmit: (event) => {
      event.preventDefault();
      dialog.remove();
      resolve(field.value.trim());
    } }, el("h2", { id: "key-title" }, T.keyTitle), el("p", {}, T.keyAbout),
    wrong ? el("p", { className: "error", role: "alert" }, T.keyWrong) : null,
    el("label", { for: "key" }, T.keyLabel), field, el("button", { className: "primary" }, T.keyButton)));
  document.body.append(dialog);
  dialog.showModal();
}));

addEventListener("unhandledrejection", ({ reason }) => fail(reason));

// A person's habits

box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
box.addEventListener("input", () => sessionStorage.setItem(`draft-${chatId}`, box.value));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if ([left, right].some(({ element }) => element.classList.contains("open"))) {
    left.close();
    right.close();
  } else if (current(chatId)) stop(chatId);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) loadModels().catch(fail);
});

document.body.append(left.element,
  el("main", {}, el("header", { className: "bar" }, left.opener, heading, modelChoice, right.opener), banner, scroller, composer),
  right.element, toast, announced);

await store.open((id) => {
  if (!store.get(id)) stop(id);
  if (id === chatId && !store.get(id)) select(null);
  else if (id === chatId) show();
  else chats.draw();
}).catch(() => say(T.noStorage));
const wanted = location.hash.slice(1);
select(wanted === SERVER || store.get(wanted) ? wanted : null);
await loadModels().catch(fail);
look();
