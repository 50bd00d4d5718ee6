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
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // Browsers have no clipboard for pages of other machines over plain HTTP. The old way works there.
  }
  const area = el("textarea", { value: text, className: "hidden" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// Keeps the end of `content` in sight while it grows, unless somebody has scrolled up. Returns a function that goes there.
export function followEnd(scroller, content) {
  let following = true;
  let last = 0;
  const toEnd = () => {
    following = true;
    scroller.scrollTop = scroller.scrollHeight;
  };
  scroller.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    if (scrollHeight - scrollTop - clientHeight < 48) following = true;
    else if (scrollTop < last) following = false; // otherwise it has only grown meanwhile
    last = scrollTop;
  });
  const observer = new ResizeObserver(() => following && toEnd());
  observer.observe(scroller);
  observer.observe(content);
  return toEnd;
}

export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
