// Parts that several views share.

import { h } from "./dom.js";
import { clock, duration, full, number, whole } from "./format.js";

const FINAL = new Set(["Succeeded", "Failed"]);
const FINAL_STATES = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);

export const PHASES = {
  Queued: { word: "Queued", says: "waits to be admitted" },
  Starting: { word: "Starting", says: "its pods are being made" },
  Initializing: { word: "Initializing", says: "model and data are being fetched" },
  Running: { word: "Training", says: "every node trains" },
  Succeeded: { word: "Succeeded", says: "" },
  Failed: { word: "Failed", says: "" },
};

/** What a person calls the state of a training: the task's end counts more than the TrainJob's last known phase. */
export function stateOf(task, record) {
  const phase = record?.phase;
  if (FINAL.has(phase)) return phase;
  if (task.state === "failed" || task.state === "upstream_failed") return "Failed";
  if (FINAL_STATES.has(task.state) && phase) return task.state === "success" ? "Succeeded" : "Ended";
  return phase ?? (task.state === "up_for_retry" ? "Retrying" : "Waiting");
}

export function hasEnded(task, record) {
  return FINAL_STATES.has(task.state) || (FINAL.has(record?.phase) && !["running", "deferred"].includes(task.state));
}

export function pill(state) {
  return h("span", { class: `pill is-${state.toLowerCase()}` }, PHASES[state]?.word ?? state);
}

export function bar(percent, state) {
  const known = percent !== null && percent !== undefined;
  const shown = known ? Math.min(100, Number(percent)) : 0;
  return h(
    "div",
    {
      class: `bar is-${state.toLowerCase()}`,
      role: "progressbar",
      "aria-label": "Progress",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": known ? shown.toFixed(0) : null,
    },
    h("div", { style: { width: `${shown}%` } }),
  );
}

/** "step 12 of 25", "epoch 1.5 of 3". */
export function place(progress) {
  const parts = [];
  if (progress.step !== null) {
    parts.push(`step ${whole(progress.step)}${progress.total_steps ? ` of ${whole(progress.total_steps)}` : ""}`);
  }
  if (progress.epoch !== null) {
    const done = Number(progress.epoch).toLocaleString("en", { maximumFractionDigits: 2 });
    parts.push(`epoch ${done}${progress.total_epochs ? ` of ${number(progress.total_epochs)}` : ""}`);
  }
  return parts;
}

export function pace(perSecond, overSteps) {
  if (!perSecond) return null;
  const one = overSteps ? "step" : "epoch";
  const rate = Number(perSecond);
  return rate >= 1 ? `${number(Number(rate.toPrecision(3)))} ${one}s/s` : `${duration1(1 / rate)} a ${one}`;
}

function duration1(seconds) {
  return seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

/** How long it still takes, counted on from when that was worked out. */
export function remaining(progress, now) {
  const { remaining_seconds: seconds, as_of: at } = progress;
  if (seconds === null || seconds === undefined || at === null) return null;
  return Math.max(0, Number(seconds) - Math.max(0, now - at));
}

export function moment(at) {
  return h("time", { datetime: new Date(at * 1000).toISOString(), title: full(at) }, clock(at));
}

function cell({ name, number: isNumber, class: kind }, content) {
  // On a phone, where each cell has a line of its own, one that says nothing has none.
  const classes = [isNumber ? "number" : kind, content === "–" ? "empty" : null].filter(Boolean).join(" ");
  return h("td", { "data-name": name, class: classes || null }, content);
}

export function table(caption, columns, rows) {
  const head = columns.map((column) => h("th", { scope: "col", class: column.number ? "number" : null }, column.name));
  const body = rows.map((row) =>
    h(
      "tr",
      { class: row.class ?? null },
      columns.map((column) => cell(column, column.cell(row))),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)),
  );
}

export function card(title, ...content) {
  return [h("h2", {}, title), ...content];
}
