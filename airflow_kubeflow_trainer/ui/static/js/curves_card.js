// The curves of one training: a tile for each metric, and a chart of the chosen one.

import { Chart, sparkline } from "./chart.js";
import { chartTools } from "./chart_tools.js";
import { h } from "./dom.js";
import { number, plural, title } from "./format.js";
import { colour, curveColour } from "./theme.js";

const isLoss = (name) => name.toLowerCase().includes("loss");

/** Metrics that belong into one chart: `loss` and `eval_loss`, `val/accuracy` and `train/accuracy`. */
function family(name, metrics) {
  const last = name.split(/[_/.]/).pop();
  if (!["loss", "accuracy", "acc", "perplexity"].includes(last)) return [name];
  return Object.keys(metrics).filter(
    (other) =>
      other.split(/[_/.]/).pop() === last && metrics[other].over === metrics[name].over && metrics[other].x.length > 1,
  );
}

export class CurvesCard {
  constructor() {
    this.chosen = null;
    this.metrics = {};
    this.chart = new Chart({ label: "Curves" });
    this.tools = chartTools(this.chart, () => this.#draw());
    this.tiles = h("div", { class: "tiles", role: "group", "aria-label": "Metrics" });
    this.legend = h("div", { class: "legend" });
    this.note = h("p", { class: "note", hidden: true });
    this.plot = h("div", {}, h("div", { class: "chart-head" }, this.legend, this.tools.element), this.chart.element);
    this.element = h(
      "section",
      { class: "card", hidden: true },
      h("h2", {}, "Metrics"),
      this.tiles,
      this.note,
      this.plot,
    );
  }

  update(metrics) {
    this.metrics = metrics ?? {};
    const names = Object.keys(this.metrics).sort((a, b) => isLoss(b) - isLoss(a));
    this.element.hidden = !names.length;
    if (!names.length) return;
    if (!names.includes(this.chosen)) this.chosen = names.find((name) => name === "loss") ?? names[0];
    const focused = document.activeElement?.dataset?.metric;
    this.tiles.replaceChildren(...names.map((name) => this.#tile(name)));
    if (focused) this.tiles.querySelector(`[data-metric="${CSS.escape(focused)}"]`)?.focus();
    this.#draw();
  }

  #tile(name) {
    const metric = this.metrics[name];
    const bad = !Number.isFinite(Number(metric.latest));
    const low = isLoss(name) && metric.low ? h("span", { class: "quiet" }, `lowest ${number(metric.low[1])}`) : null;
    const choose = () => {
      this.chosen = name;
      this.chart.zoom = null;
      this.update(this.metrics);
    };
    return h(
      "button",
      {
        type: "button",
        class: `tile${bad ? " bad" : ""}`,
        "aria-pressed": String(name === this.chosen),
        "data-metric": name,
        onclick: choose,
      },
      h("span", { class: "tile-name", title: name }, title(name)),
      h("span", { class: "tile-value" }, h("b", {}, number(metric.latest)), low),
      sparkline(metric, colour("--accent")),
    );
  }

  #draw() {
    if (!this.chosen) return;
    const names = [this.chosen, ...family(this.chosen, this.metrics).filter((name) => name !== this.chosen)];
    const metric = this.metrics[this.chosen];
    const curves = names.map((name, index) => ({
      name: title(name),
      colour: curveColour(index, names.length),
      x: this.metrics[name].x,
      y: this.metrics[name].y,
    }));
    this.legend.replaceChildren(
      ...curves.map((curve) =>
        h("span", {}, h("span", { class: "dot", style: { background: curve.colour } }), curve.name),
      ),
    );
    this.#tellNotFinite(metric);
    this.plot.hidden = metric.count < 2;
    this.chart.label = title(this.chosen);
    this.chart.show(curves, { ...this.tools.options(curves), xName: metric.over });
  }

  #tellNotFinite(metric) {
    const since = metric.not_finite_since;
    this.note.hidden = !metric.not_finite;
    this.note.classList.toggle("bad", since !== null);
    this.note.textContent =
      since !== null
        ? `${title(this.chosen)} is ${number(metric.latest)} since ${metric.over} ${number(since)}: the training has diverged.`
        : `${plural(metric.not_finite, "value")} of ${title(this.chosen)} ${metric.not_finite === 1 ? "was" : "were"} NaN or infinite.`;
  }
}
