// What stands above a chart: log scale, smoothing, zoom.

import { h } from "./dom.js";

const MANY_POINTS = 60;

export function chartTools(chart, changed) {
  const log = h("input", { type: "checkbox", onchange: changed });
  const slider = h("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: 0 });
  let moved = false;
  slider.addEventListener("input", () => {
    moved = true;
    changed();
  });
  const button = (text, label, onclick) =>
    h("button", { type: "button", class: "small", "aria-label": label, title: label, onclick }, text);
  const element = h(
    "div",
    { class: "tools" },
    h("label", {}, log, "Log scale"),
    h("label", {}, "Smoothing", slider),
    h(
      "div",
      { class: "zoom", role: "group", "aria-label": "Zoom" },
      button("+", "Zoom in", () => chart.zoomBy(0.5)),
      button("−", "Zoom out", () => chart.zoomBy(2)),
      button("Reset", "Show all", () => chart.resetZoom()),
    ),
  );

  /** What is set; until somebody sets it, curves of many points are smoothed and short ones are not. */
  function options(curves) {
    if (!moved) slider.value = Math.max(0, ...curves.map((curve) => curve.x.length)) > MANY_POINTS ? 0.6 : 0;
    return { log: log.checked, smoothing: Number(slider.value) };
  }

  return { element, options };
}
