// The left side: the list of chats.

import { button, el } from "./dom.js";
import * as store from "./store.js";
import { T } from "./texts.js";

export const SERVER = "server-chat"; // in the place of a chat's id

export class Chats {
  #list = el("ul", { className: "chats" });
  #search = el("input", { type: "search", placeholder: T.searchChats, "aria-label": T.searchChats });
  #renamed = null;
  #drawn = "";

  // `on` has `select(id)`, where null is a new chat, and `say(text)`.
  constructor(on) {
    this.on = on;
    this.current = null;
    this.#search.oninput = () => this.draw();
    const file = el("input", { type: "file", accept: "application/json", hidden: true, onchange: () => this.#import(file) });
    this.element = el("nav", { "aria-label": T.chats },
      button(T.newChat, () => on.select(null), { className: "primary new" }), this.#search, this.#list,
      el("div", { className: "line end" }, button(T.exportChats, () => this.#export()), button(T.importChats, () => file.click()), file),
      this.serverItem = button(T.serverChat, () => on.select(SERVER), { className: "server-item" }));
  }

  draw() {
    if (this.#renamed !== null) return;
    const wanted = this.#search.value.trim().toLowerCase();
    const chats = store.all();
    const found = chats.filter((chat) => !wanted || contains(chat, wanted));
    const drawn = JSON.stringify([this.current, found.map(({ id, title }) => [id, title])]);
    if (drawn === this.#drawn) return; // nobody loses the focus
    this.#drawn = drawn;
    const focused = document.activeElement?.dataset.focus;
    this.#list.replaceChildren(...found.map((chat) => this.#item(chat)));
    if (focused) this.#list.querySelector(`[data-focus="${focused}"]`)?.focus();
    if (!found.length) this.#list.append(el("li", { className: "quiet" }, chats.length ? T.noSuchChats : T.noChats));
    this.serverItem.setAttribute("aria-current", String(this.current === SERVER));
  }

  #item(chat) {
    const title = chat.title || T.untitled;
    const item = el("li", {}, button(title, () => this.on.select(chat.id), { className: "title", title }),
      button("✎", () => this.#rename(chat, item), { title: T.rename, "aria-label": T.renameOf(title) }),
      button("✕", () => confirm(T.removeSure(title)) && store.remove(chat.id), { title: T.remove, "aria-label": T.removeOf(title) }));
    item.firstChild.setAttribute("aria-current", String(chat.id === this.current));
    [...item.children].forEach((child, index) => (child.dataset.focus = `${index}-${chat.id}`));
    return item;
  }

  #rename(chat, item) {
    this.#renamed = chat.id;
    const field = el("input", { value: chat.title, maxLength: 200, "aria-label": T.renameOf(chat.title) });
    const end = async (keep) => {
      if (this.#renamed === null) return; // it ends only once
      this.#renamed = null;
      this.#drawn = "";
      if (keep && field.value.trim()) await store.update(chat.id, (stored) => (stored.title = field.value.trim()));
      this.draw();
    };
    field.onblur = () => end(true);
    field.onkeydown = (event) => {
      if (event.key === "Enter") end(true);
      else if (event.key === "Escape") end(false);
      else return;
      event.stopPropagation();
    };
    item.replaceChildren(field);
    field.select();
  }

  #export() {
    const url = URL.createObjectURL(new Blob([store.exported()], { type: "application/json" }));
    el("a", { href: url, download: `chats-${new Date().toISOString().slice(0, 10)}.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  async #import(file) {
    try {
      this.on.say(T.imported(...(await store.imported(await file.files[0].text()))));
    } catch (error) {
      this.on.say(T.notImported(error.message));
    }
    file.value = "";
  }
}

const contains = ({ title, messages }, wanted) =>
  [title, ...messages.map(({ content }) => content)].some((text) => text.toLowerCase().includes(wanted));
