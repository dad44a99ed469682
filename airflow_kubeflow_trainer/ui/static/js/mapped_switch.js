// For a mapped task: this one, or all of its siblings in one chart.

import { compareView } from "./compare_view.js";
import { h } from "./dom.js";
import { getJson } from "./poll.js";

const EVERY = 10_000;

export class MappedSwitch {
  constructor(single, path) {
    this.single = single;
    this.path = path;
    this.many = compareView({ kind: "mapped", changed: () => this.#ask() });
    this.many.element.hidden = true;
    const option = (text, all) =>
      h(
        "button",
        { type: "button", role: "tab", "aria-selected": String(!all), onclick: () => this.#choose(all) },
        text,
      );
    this.options = [option("This one", false), option("All mapped", true)];
    const tabs = h("div", { class: "switch", role: "tablist", "aria-label": "What to show" }, this.options);
    tabs.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
      const other = this.options.find((one) => one !== document.activeElement);
      other.focus();
      other.click();
    });
    this.element = h("div", {}, tabs, single, this.many.element);
  }

  themed() {
    this.many.themed();
  }

  #choose(all) {
    this.options.forEach((one, index) => one.setAttribute("aria-selected", String((index === 1) === all)));
    this.single.hidden = all;
    this.many.element.hidden = !all;
    if (all) this.#ask();
  }

  async #ask() {
    clearTimeout(this.timer);
    if (this.many.element.hidden) return;
    try {
      const metric = this.many.metric();
      this.many.update(await getJson(metric ? `${this.path}&metric=${encodeURIComponent(metric)}` : this.path));
    } catch (error) {
      console.error(error); // the view of the one task tells of it
    }
    this.timer = setTimeout(() => this.#ask(), EVERY);
  }
}
