// Many trainings: the curves of one metric in one chart, and a row for each.

import { Chart } from "./chart.js";
import { chartTools } from "./chart_tools.js";
import { h } from "./dom.js";
import { dateTime, duration, number, plural, title } from "./format.js";
import { bar, hasEnded, pill, stateOf } from "./parts.js";
import { curveColour } from "./theme.js";

export function compareView(options) {
  return new CompareView(options);
}

class CompareView {
  constructor({ kind, changed }) {
    this.kind = kind;
    this.hiddenNames = new Set();
    this.chart = new Chart({ label: "Curves", onread: (name) => this.#mark(name) });
    this.tools = chartTools(this.chart, () => this.#draw());
    this.chosen = null;
    const choose = () => {
      this.chosen = this.select.value;
      changed();
    };
    this.select = h("select", { onchange: choose });
    this.none = h("p", { class: "quiet", hidden: true });
    this.count = h("p", { class: "quiet" });
    const head = h(
      "div",
      { class: "chart-head" },
      h("label", { class: "metric" }, "Metric", this.select),
      this.tools.element,
    );
    this.plot = h("section", { class: "card" }, head, this.chart.element);
    this.rows = h("tbody");
    this.list = h(
      "section",
      { class: "card" },
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Trainings" }, this.#table()),
    );
    this.element = h("div", { class: "page", hidden: false }, this.none, this.count, this.plot, this.list);
    this.ended = (data) => data.trainings.every((one) => hasEnded(one.task, one));
  }

  metric() {
    return this.chosen;
  }

  update(data) {
    this.data = data;
    this.skew = Date.now() / 1000 - data.now;
    this.#fillSelect();
    this.#draw();
  }

  clear() {
    this.data = null;
    this.element.replaceChildren();
  }

  tick() {}

  themed() {
    if (this.data) this.#draw();
  }

  #fillSelect() {
    const { metrics, metric } = this.data;
    const key = metrics.join("\n");
    if (this.selectKey !== key) {
      this.selectKey = key;
      this.select.replaceChildren(...metrics.map((name) => h("option", { value: name }, title(name))));
    }
    if (metric) this.select.value = metric;
  }

  #draw() {
    const { trainings, metric } = this.data;
    const names = this.#names(trainings);
    const colours = trainings.map((_, index) => curveColour(index, trainings.length));
    this.none.hidden = trainings.length > 0;
    this.none.textContent =
      this.kind === "task" ? "No run of this task has a TrainJob." : "No task of this run has a TrainJob.";
    this.plot.hidden = !metric;
    this.list.hidden = !trainings.length;
    this.count.textContent = this.#summary(trainings);
    this.#fillRows(names, colours);
    const curves = trainings.flatMap((one, index) =>
      one.curve && !this.hiddenNames.has(names[index])
        ? [{ name: names[index], colour: colours[index], x: one.curve.x, y: one.curve.y }]
        : [],
    );
    const over = trainings.find((one) => one.curve)?.curve.over ?? "step";
    if (metric) this.chart.label = title(metric);
    this.chart.show(curves, { ...this.tools.options(curves), xName: over });
  }

  #summary(trainings) {
    if (!trainings.length) return "";
    const counts = new Map();
    for (const one of trainings) {
      const state = stateOf(one.task, one).toLowerCase();
      counts.set(state, (counts.get(state) ?? 0) + 1);
    }
    const parts = [...counts].map(([state, count]) => `${count} ${state === "running" ? "training" : state}`);
    const more = this.data.more ? `; only the latest ${trainings.length} are shown` : "";
    return `${plural(trainings.length, "training")}: ${parts.join(", ")}${more}`;
  }

  #names(trainings) {
    const names = trainings.map((one) => this.#name(one.task));
    // Two runs of the same minute go by their ids.
    return names.map((name, index) =>
      names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${trainings[index].task.run_id})`,
    );
  }

  #name(task) {
    const index = task.map_index >= 0 ? (task.map_label ?? `[${task.map_index}]`) : null;
    if (this.kind === "mapped") return index ?? task.task_id;
    const base = this.kind === "task" ? dateTime(task.run_after) : task.task_id;
    return index ? `${base} ${index}` : base;
  }

  #table() {
    this.valueHead = h("th", { scope: "col", class: "number" }, "Latest");
    this.lowHead = h("th", { scope: "col", class: "number" }, "Lowest");
    const names = ["Training", "State", "Progress"].map((name) => h("th", { scope: "col" }, name));
    const head = h("tr", {}, names, this.valueHead, this.lowHead, h("th", { scope: "col", class: "number" }, "Took"));
    return h(
      "table",
      { class: "trainings" },
      h("caption", { class: "unseen" }, "Trainings"),
      h("thead", {}, head),
      this.rows,
    );
  }

  #fillRows(names, colours) {
    const focused = document.activeElement?.dataset?.row;
    const best = this.#best();
    this.rows.replaceChildren(
      ...this.data.trainings.map((one, index) => this.#row(one, names[index], colours[index], one === best)),
    );
    if (focused) this.rows.querySelector(`[data-row="${CSS.escape(focused)}"]`)?.focus();
  }

  /** The one with the lowest latest value, where lower is better and there is somebody to compare it with. */
  #best() {
    if (!this.data.metric?.toLowerCase().includes("loss")) return null;
    const told = this.data.trainings.filter((one) => one.latest !== null && Number.isFinite(Number(one.latest)));
    return told.length > 1 ? told.reduce((a, b) => (Number(b.latest) < Number(a.latest) ? b : a)) : null;
  }

  #row(one, name, colour, isBest) {
    const state = stateOf(one.task, one);
    const shown = !this.hiddenNames.has(name);
    const toggle = h(
      "button",
      {
        type: "button",
        class: "curve-name",
        "aria-pressed": String(shown),
        "data-row": name,
        title: shown ? "Hide its curve" : "Show its curve",
      },
      h("span", { class: "dot", style: { background: shown ? colour : "transparent", "border-color": colour } }),
      h("span", {}, name),
      isBest ? h("span", { class: "best" }, "best") : null,
    );
    toggle.addEventListener("click", () => {
      if (!this.hiddenNames.delete(name)) this.hiddenNames.add(name);
      this.#draw();
    });
    const row = h(
      "tr",
      { "data-name": name },
      h("td", { "data-name": "Training" }, toggle, one.cause ? h("div", { class: "cause" }, one.cause) : null),
      h("td", { "data-name": "State" }, pill(state)),
      h("td", { "data-name": "Progress", class: "progress-cell" }, this.#progress(one, state)),
      h("td", { "data-name": "Latest", class: "number" }, number(one.latest)),
      h("td", { "data-name": "Lowest", class: "number" }, one.low ? number(one.low[1]) : "–"),
      h("td", { "data-name": "Took", class: "number" }, this.#took(one, state)),
    );
    row.addEventListener("pointerenter", () => this.chart.highlight(name));
    row.addEventListener("pointerleave", () => this.chart.highlight(null));
    toggle.addEventListener("focus", () => this.chart.highlight(name));
    toggle.addEventListener("blur", () => this.chart.highlight(null));
    return row;
  }

  #progress(one, state) {
    const percent = state === "Succeeded" ? 100 : one.progress?.percent;
    if (percent === null || percent === undefined) return "–";
    return [bar(percent, state), h("span", {}, `${Math.floor(Number(percent))} %`)];
  }

  #took(one, state) {
    const running = (one.phases ?? []).find((phase) => phase.phase === "Running");
    if (!running) return "–";
    const now = Date.now() / 1000 - this.skew;
    return duration((running.until ?? (hasEnded(one.task, one) ? one.updated : now)) - running.since);
  }

  #mark(name) {
    for (const row of this.rows.children) row.classList.toggle("marked", row.dataset.name === name);
  }
}
