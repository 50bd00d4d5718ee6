// The messages of a chat as elements.

import { button, copyButton, el } from "./dom.js";
import { Markdown } from "./markdown.js";
import { sourceCards } from "./sources.js";
import { T } from "./texts.js";

const DRAW_EVERY = 100; // milliseconds, while an answer grows

// One message. `on` has what its buttons do: `edit(message, text)` and `regenerate(message)`; without it, it has none.
export class Message {
  constructor(message, question, on, contextLength) {
    Object.assign(this, { message, question, on, contextLength });
    this.content = el("div", { className: "content", dir: "auto" });
    this.thought = el("div", { className: "thought-text", dir: "auto" });
    this.thoughtTitle = el("summary", {});
    this.thoughts = el("details", { className: "thoughts", hidden: true }, this.thoughtTitle, this.thought);
    this.foot = el("footer", {});
    const who = el("h2", { className: "who" }, message.role === "user" ? on?.who ?? T.you : message.model || T.assistant);
    this.element = el("article", { className: `message ${message.role}` }, who, this.thoughts, this.content, this.foot);
    this.who = who;
    this.markdown = new Markdown(this.content);
    this.drawn = this.cost = 0; // when it was drawn last, and how long that took
    this.finish();
  }

  // Shows what the message has become while it is being written.
  grow() {
    if (this.timer) return;
    // What takes long to draw is drawn less often.
    const wait = Math.max(0, this.drawn + Math.max(DRAW_EVERY, 5 * this.cost) - performance.now());
    this.timer = setTimeout(() => requestAnimationFrame(() => this.#draw()), wait);
  }

  #draw() {
    if (!this.timer) return; // it has ended meanwhile
    this.timer = null;
    const start = performance.now();
    this.markdown.grow(this.message.content);
    this.#showThought();
    this.foot.replaceChildren(this.#state());
    this.drawn = performance.now();
    this.cost = this.drawn - start;
  }

  // Shows the whole message.
  finish() {
    clearTimeout(this.timer);
    this.timer = null;
    const { message } = this;
    if (message.role === "user") this.content.textContent = message.content;
    else this.markdown.show(message.content);
    if (message.role === "assistant") this.who.textContent = message.model || T.assistant;
    this.#showThought();
    this.foot.replaceChildren(...(message.pending ? [this.#state()] : this.#end()));
  }

  #showThought() {
    const { reasoning, content, pending } = this.message;
    this.thoughts.hidden = !reasoning;
    this.thoughtTitle.textContent = pending && !content ? T.thinking : T.thought;
    this.thought.textContent = reasoning ?? "";
  }

  #state() {
    const { note, content, reasoning } = this.message;
    const text = this.on?.isCurrent?.(this.message) === false ? T.unfinished : note || (content || reasoning ? "" : T.waiting);
    return el("p", { className: text ? "state" : "state writing", role: "status" }, text);
  }

  #end() {
    const { message } = this;
    const parts = [];
    if (message.error) parts.push(el("p", { className: message.error === T.stopped ? "state" : "error", role: "alert" }, message.error));
    if (message.finish === "length") parts.push(el("p", { className: "state" }, T.cut));
    if (message.references?.length) parts.push(
      el("h3", {}, T.sources(message.references.length)), sourceCards(message.references, this.question));
    else if (message.searched) parts.push(el("p", { className: "quiet" }, T.noSources));
    parts.push(el("div", { className: "line" }, ...this.#buttons(), this.#usage()));
    return parts;
  }

  #buttons() {
    const { message } = this;
    const found = message.content ? [copyButton(T.copy, () => message.content, T.copied)] : [];
    if (this.on?.edit && message.role === "user") found.push(button(T.edit, () => this.#edit()));
    if (this.on?.regenerate && message.role === "assistant") found.push(button(T.regenerate, () => this.on.regenerate(message), { className: "regenerate" }));
    return found;
  }

  #usage() {
    const { usage } = this.message;
    if (!usage) return null;
    const texts = [usage.perSecond ? T.speed(usage.perSecond) : "", T.used(usage.tokens, usage.prompt)];
    if (this.contextLength) texts.push(T.ofContext(usage.tokens + usage.prompt, this.contextLength));
    return el("span", { className: "usage" }, texts.filter(Boolean).join(" · "));
  }

  #edit() {
    const area = el("textarea", { value: this.message.content, "aria-label": T.edit, rows: 4 });
    const cancel = () => this.finish();
    const form = el("form", { className: "edit", onsubmit: (event) => {
      event.preventDefault();
      if (area.value.trim()) this.on.edit(this.message, area.value);
    } }, area, el("div", { className: "line" },
      el("button", { className: "primary" }, T.askAgain), button(T.cancel, cancel)));
    area.onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) form.requestSubmit();
      else if (event.key === "Escape") cancel();
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    this.content.replaceChildren(form);
    this.foot.replaceChildren();
    area.focus();
  }
}
