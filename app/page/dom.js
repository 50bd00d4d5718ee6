// Making elements. Texts are always text: nothing here takes HTML.

// An element with properties, attributes (names with "-", "role", "for") and children: nodes or texts.
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function button(text, onclick, properties = {}) {
  return el("button", { type: "button", onclick, ...properties }, text);
}

// A button that copies what `text()` returns, and says so for a moment.
export function copyButton(label, text, done, properties = {}) {
  const made = button(label, async () => {
    await copy(text());
    made.textContent = done;
    setTimeout(() => (made.textContent = label), 1500);
  }, properties);
  return made;
}

async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Browsers have no clipboard for pages of other machines over plain HTTP.
  const area = el("textarea", { value: text, className: "hidden" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Changes what is in a scrolling element. Whoever reads its end stays there, everybody else where they are.
export function keepingEnd(scroller, change) {
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
  change();
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
}

export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
