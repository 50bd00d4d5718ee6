// The right side: LocalDocs, and the settings of the chat.

import * as api from "./api.js";
import { button, el } from "./dom.js";
import { sourceCards } from "./sources.js";
import { T } from "./texts.js";

const NUMBERS = {
  temperature: [0, 2, 0.1], top_p: [0, 1, 0.05], top_k: [0, 1000, 1], min_p: [0, 1, 0.05],
  max_tokens: [1, 1000000, 1], seed: [0, 2 ** 31, 1],
  repeat_penalty: [0.1, 5, 0.01], repeat_last_n: [0, 100000, 1],
  frequency_penalty: [-2, 2, 0.1], presence_penalty: [-2, 2, 0.1],
};

// The collections with their switches, and a search. `onSwitch(collections)` is called after a switch.
export class LocalDocs {
  #list = el("ul", { className: "collections" });
  #found = el("div", { className: "found", "aria-live": "polite" });
  #shown = "";

  constructor(onSwitch, onError) {
    this.onSwitch = onSwitch;
    this.onError = onError;
    this.collections = [];
    const field = el("input", { type: "search", id: "question", required: true });
    const form = el("form", { className: "search", onsubmit: (event) => {
      event.preventDefault();
      this.#search(field.value);
    } }, el("label", { for: "question" }, T.searchDocs),
    el("div", { className: "line" }, field, el("button", {}, T.searchDocsButton)));
    this.element = el("section", { "aria-labelledby": "localdocs" },
      el("h2", { id: "localdocs" }, T.localDocs), this.#list, form, this.#found);
  }

  get active() {
    return this.collections.filter(({ active }) => active);
  }

  show(collections) {
    this.collections = collections;
    const shown = JSON.stringify(collections);
    if (shown === this.#shown) return; // nobody loses the focus, or what is unfolded
    this.#shown = shown;
    const focused = document.activeElement?.dataset.collection;
    const unfolded = [...this.#list.querySelectorAll("details[open]")].map((details) => details.dataset.collection);
    this.#list.replaceChildren(...collections.map((collection) => this.#item(collection, unfolded)));
    this.#list.append(el("li", { className: "quiet" }, collections.length ? T.howToRemove : T.noCollections,
      el("code", { className: "command" }, T.howToMake),
      collections.length ? el("code", { className: "command" }, T.howToRemoveOne) : null));
    if (focused) this.#list.querySelector(`input[data-collection="${CSS.escape(focused)}"]`)?.focus();
  }

  #item(collection, unfolded) {
    const { name, active, folder, progress, error, files, snippets, failed, problems, others } = collection;
    const toggle = el("input", { type: "checkbox", role: "switch", checked: active, "aria-label": T.useCollection(name),
      onchange: () => this.#switch(name, toggle.checked) });
    toggle.dataset.collection = name;
    const parts = [el("label", { className: "collection-name" }, el("span", {}, name), toggle),
      el("p", { className: "path quiet" }, folder)];
    if (error) parts.push(el("p", { className: "error" }, error));
    else parts.push(el("p", { className: "quiet" }, T.counts(files, snippets)));
    if (progress) parts.push(el("p", { className: "quiet" }, T.reading(...progress)),
      el("progress", { value: progress[0], max: progress[1], "aria-label": T.reading(...progress) }));
    if (failed) {
      const details = el("details", { open: unfolded.includes(name) }, el("summary", {}, T.failedFiles(failed)),
        el("ul", {}, ...problems.map(({ file, reason }) => el("li", {}, el("code", {}, file), ` ${reason}`))));
      details.dataset.collection = name;
      parts.push(details);
    }
    if (others) parts.push(el("p", { className: "quiet" }, T.otherFiles(others)));
    return el("li", {}, ...parts);
  }

  async #switch(name, active) {
    try {
      this.show(await api.switchCollection(name, active));
    } catch (error) {
      this.#shown = ""; // the switch has moved, but nothing else
      this.show(this.collections);
      this.onError(error);
    }
    this.onSwitch();
  }

  async #search(question) {
    if (!this.active.length) {
      this.#found.textContent = T.noneActive;
      return;
    }
    try {
      const found = await api.search(question);
      this.#found.replaceChildren(found.length ? sourceCards(found, question) : T.foundNothing);
    } catch (error) {
      this.onError(error);
    }
  }
}

// The settings of one chat. `onChange(change)` is given a function that changes the chat.
export class Settings {
  constructor(onChange) {
    this.onChange = onChange;
    this.system = el("textarea", { id: "system", rows: 3, onchange: () => onChange((chat) => (chat.system = this.system.value)) });
    this.fields = {};
    for (const [name, [min, max, step]] of Object.entries(NUMBERS)) {
      this.fields[name] = el("input", { id: `set-${name}`, type: "number", min, max, step: "any", "data-step": step });
    }
    this.fields.enable_thinking = el("select", { id: "set-enable_thinking" },
      ...["", "on", "off"].map((value) => el("option", { value }, { "": T.byDefault, on: T.thinkingOn, off: T.thinkingOff }[value])));
    this.fields.stop = el("textarea", { id: "set-stop", rows: 2 });
    this.fields.more = el("textarea", { id: "set-more", rows: 3, spellcheck: false, placeholder: '{"response_format": {"type": "json_object"}}' });
    for (const [name, field] of Object.entries(this.fields)) field.onchange = () => this.#set(name, field);
    const labels = { enable_thinking: T.thinkingSetting, stop: T.stopStrings, more: T.moreFields };
    this.element = el("section", { "aria-labelledby": "settings" }, el("h2", { id: "settings" }, T.settings),
      el("label", { for: "system" }, T.system), this.system,
      el("div", { className: "settings" }, ...Object.entries(this.fields).map(([name, field]) =>
        el("div", { className: field.tagName === "TEXTAREA" ? "wide" : "" }, el("label", { for: field.id }, labels[name] ?? name), field))),
      button(T.reset, () => onChange((chat) => (chat.settings = {}))));
  }

  // `defaults` are those of the chat's model.
  show(chat, defaults) {
    show(this.system, chat.system);
    for (const [name, field] of Object.entries(this.fields)) {
      show(field, chat.settings[name] ?? "");
      if (field.type === "number") field.placeholder = name === "seed" ? T.random : (defaults?.[name] ?? T.byDefault);
    }
  }

  #set(name, field) {
    if (name === "more") field.setCustomValidity(isJsonObject(field.value) ? "" : T.notJson);
    if (!field.reportValidity()) return;
    const value = field.type === "number" ? field.valueAsNumber : field.value;
    this.onChange(({ settings }) => {
      if (field.value === "") delete settings[name];
      else settings[name] = value;
    });
  }
}

// Nobody loses what is being typed.
function show(field, value) {
  if (field !== document.activeElement) field.value = value;
}

function isJsonObject(text) {
  try {
    return text === "" || Object.prototype.toString.call(JSON.parse(text)) === "[object Object]";
  } catch {
    return false;
  }
}
