// Markdown to elements. Models and documents write it, so it is foreign: HTML in it is shown as text, nothing is loaded,
// and what marked makes of it goes through DOMPurify.

import { copyButton, el } from "./dom.js";
import { T } from "./texts.js";
import { Marked } from "./vendor/marked.esm.js";
import DOMPurify from "./vendor/purify.es.mjs";

const escaped = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

const marked = new Marked({
  breaks: true,
  renderer: {
    heading({ tokens, depth }) {
      const tag = `h${Math.min(depth + 2, 6)}`; // an answer is below a heading already
      return `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`;
    },
    html: ({ text }) => escaped(text),
    image: ({ text, href }) => escaped(text || href),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

const CLEAN = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS: (
    "p br hr strong em del code pre blockquote ul ol li h3 h4 h5 h6 a table thead tbody tr th td"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "align", "start", "class"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
});

function nodes(html) {
  const fragment = DOMPurify.sanitize(html, CLEAN);
  for (const pre of fragment.querySelectorAll("pre")) {
    const code = pre.textContent;
    const language = pre.firstChild.className.replace("language-", "");
    pre.tabIndex = 0; // it may scroll
    const box = el("div", { className: "code" },
      el("div", { className: "head" }, el("span", {}, language), copyButton(T.copyCode, () => code, T.copied)));
    pre.replaceWith(box);
    box.append(pre);
  }
  for (const table of fragment.querySelectorAll("table")) {
    const box = el("div", { className: "table", tabIndex: 0 });
    table.replaceWith(box);
    box.append(table);
  }
  return [...fragment.childNodes];
}

// The Markdown of an answer that grows. Only its last block is rendered again.
export class Markdown {
  #element;
  #end = 0; // of what is rendered for good, in the text
  #open = []; // the nodes of the last block

  constructor(element) {
    this.#element = element;
  }

  // `text` begins with what it was before.
  grow(text) {
    this.#draw(text, (plain) => {
      const blocks = marked.lexer(plain.slice(this.#end));
      const last = blocks.findLastIndex((block) => block.type !== "space");
      const done = blocks.splice(0, Math.max(last, 0));
      this.#replace(nodes(marked.parser(done)), nodes(marked.parser(blocks)));
      this.#end += done.reduce((length, block) => length + block.raw.length, 0);
    });
  }

  // The whole `text`, in which a block may refer to a later one.
  show(text) {
    this.#end = 0;
    this.#element.replaceChildren();
    this.#draw(text, (plain) => this.#replace([], nodes(marked.parse(plain))));
  }

  #draw(text, draw) {
    try {
      draw(text.replace(/\r\n?/g, "\n"));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#element.replaceChildren(el("p", {}, text)); // it is nested too deeply
    }
  }

  // Puts nodes that stay, and those of the last block, into the place of the last block.
  #replace(done, open) {
    for (const node of this.#open) node.remove();
    this.#element.append(...done, ...open);
    this.#open = open;
  }
}
