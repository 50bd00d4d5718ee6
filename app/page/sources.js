// Sources as cards: where an answer comes from.

import { copyButton, el } from "./dom.js";
import { T, UNMARKED } from "./texts.js";

const WORD = /[\p{L}\p{M}\p{N}]+/gu;

export function sourceCards(references, question) {
  const words = wordsOf(question);
  return el("ul", { className: "sources" }, ...references.map((reference) => el("li", {}, card(reference, words))));
}

function card(reference, words) {
  const place = [];
  if (reference.page > 0) place.push(T.page(reference.page));
  if (reference.from > 0) place.push(T.lines(reference.from, reference.to));
  if (reference.relates === false) place.push(T.tooWeak);
  const about = [reference.title, reference.author, reference.date].filter(Boolean).join(" · ");
  return el("details", { className: "source" },
    el("summary", {},
      el("span", { className: "file" }, reference.file),
      el("span", { className: "place" }, place.join(", ")),
      el("span", { className: "collection" }, reference.collection ?? "")),
    el("blockquote", { dir: "auto" }, withMarks(reference.text, words)),
    el("p", { className: "quiet" }, about),
    reference.path
      ? el("p", { className: "path" }, el("code", {}, reference.path), copyButton(T.copyPath, () => reference.path, T.copied))
      : null);
}

const plain = (word) => word.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

const wordsOf = (question) => [...new Set((question.match(WORD) ?? []).map(plain))].filter((word) => !UNMARKED.has(word));

// The text with the words of the question, and other forms of them, marked.
function withMarks(text, words) {
  const fragment = document.createDocumentFragment();
  let end = 0;
  for (const match of text.matchAll(WORD)) {
    const word = plain(match[0]);
    if (!words.some((asked) => isFormOf(asked, word))) continue;
    fragment.append(text.slice(end, match.index), el("mark", {}, match[0]));
    end = match.index + match[0].length;
  }
  fragment.append(text.slice(end));
  return fragment;
}

// Whether two words are the same but for an ending. In scripts without spaces, whether one is in the other.
function isFormOf(asked, word) {
  if (asked === word) return true;
  if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u.test(word)) {
    return word.includes(asked) || asked.includes(word);
  }
  const [short, long] = [asked, word].sort((a, b) => a.length - b.length);
  return short.length >= 4 && long.length - short.length <= 3 && long.startsWith(short.slice(0, -1));
}
