// The server chat: what programs ask the server, and its answers, as they come.

import * as api from "./api.js";
import { el } from "./dom.js";
import { Message } from "./messages.js";
import { T } from "./texts.js";

const LOOK_EVERY = 1500; // milliseconds
const MOST = 50;

export class ServerChat {
  #timer = null;
  #entries = new Map(); // by number: [what it was, its element]
  #id = null;

  constructor() {
    this.note = el("p", { className: "quiet" });
    this.list = el("div", {});
    this.element = el("div", { className: "messages server-chat" }, el("p", { className: "quiet" }, T.serverChatAbout), this.list, this.note);
  }

  start() {
    this.stop();
    const look = async () => {
      try {
        const known = this.#known();
        let state = await api.serverChat(known);
        if (state.id !== this.#id) {
          this.#id = state.id;
          this.#entries.clear();
          this.list.replaceChildren();
          if (known) state = await api.serverChat(0); // the server was started again
        }
        this.#show(state);
      } catch (error) {
        if (!(error instanceof api.Unreachable)) throw error; // the page says so already
      }
      if (this.#timer !== null) this.#timer = setTimeout(look, LOOK_EVERY);
    };
    this.#timer = setTimeout(look);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  // The number up to which all entries are here and cannot change any more.
  #known() {
    let known = 0;
    for (const [number, [entry]] of this.#entries) {
      if (!entry.finished) break;
      known = number;
    }
    return known;
  }

  #show({ kept, entries }) {
    for (const entry of entries) this.#put(entry);
    for (const [number, [, element]] of [...this.#entries].slice(0, -MOST)) {
      element.remove();
      this.#entries.delete(number);
    }
    this.note.textContent = kept ? (this.#entries.size ? "" : T.serverChatEmpty) : T.serverChatOff;
  }

  #put(entry) {
    const [old, place] = this.#entries.get(entry.number) ?? [null, null];
    if (old && JSON.stringify(old) === JSON.stringify(entry)) return;
    const element = entryElement(entry);
    if (place) place.replaceWith(element);
    else this.list.append(element);
    this.#entries.set(entry.number, [entry, element]);
  }
}

function entryElement(entry) {
  const time = new Date(1000 * entry.time);
  const asked = entry.asked.map(({ role, content }) => ({ role: "user", who: role === "user" || role === "prompt" ? T.program : role, content }));
  const last = asked.pop();
  const head = el("p", { className: "quiet" },
    el("time", { dateTime: time.toISOString() }, time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })), ` · ${entry.endpoint}`);
  const show = (message) => new Message(message, last.content, { who: message.who }).element;
  const earlier = asked.length || entry.left_out
    ? el("details", {}, el("summary", {}, T.earlier(asked.length + entry.left_out)),
      ...(entry.left_out ? [el("p", { className: "quiet" }, T.leftOut(entry.left_out))] : []), ...asked.map(show))
    : null;
  const usage = entry.prompt_tokens ? { prompt: entry.prompt_tokens, tokens: entry.completion_tokens } : null;
  const answers = entry.answers.map((answer, index) => show({
    role: "assistant", model: entry.model, ...answer, pending: !entry.finished,
    ...(index === entry.answers.length - 1 ? { references: entry.references, usage } : {}),
  }));
  const state = !entry.finished && !answers.length ? el("p", { className: "state" }, T.underWay) : null;
  const error = entry.error ? el("p", { className: "error" }, T.endedEarly(entry.error)) : null;
  return el("section", { className: "entry" }, head, earlier, show(last), ...answers, state, error);
}
