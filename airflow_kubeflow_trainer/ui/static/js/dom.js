// Making elements. Text goes in as text, never as markup: much of it comes from logs.

const SVG = new Set(["svg", "path", "polyline", "circle", "line", "rect", "title"]);

export function h(tag, attributes = {}, ...children) {
  const element = SVG.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach(([key, one]) => element.style.setProperty(key, one));
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** A part of the page that is there only while there is something to show, and is made anew only
 * where that has changed, so that focus and selection stay. */
export class Section {
  constructor(make, { tag = "section", ...attributes } = {}) {
    this.element = h(tag, { ...attributes, hidden: true });
    this.make = make;
    this.shown = undefined;
  }

  update(data) {
    const key = JSON.stringify(data) ?? "";
    if (key === this.shown) return;
    this.shown = key;
    const content = data ? this.make(data) : null;
    this.element.hidden = !content;
    this.element.replaceChildren(...[content ?? []].flat(Infinity).filter(Boolean));
  }
}

/** Say something to those who do not see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without HTTPS there is no clipboard for scripts, but there is this.
    const area = h("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function copyable(text) {
  const button = h("button", { type: "button", class: "small", "aria-label": `Copy: ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    await copy(text);
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return h("div", { class: "copyable" }, h("code", {}, text), button);
}
