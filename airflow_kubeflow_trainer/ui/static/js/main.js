// The page behind the Training tab. Which one of its views is shown stands in the address, as Airflow has filled it in.

import { compareView } from "./compare_view.js";
import { h } from "./dom.js";
import { poll, Refused } from "./poll.js";
import { taskView } from "./task_view.js";
import { followTheme } from "./theme.js";

/** Airflow 3.1 puts ids into the address as they are, with the "+" of a run's time zone; later ones encode them. */
function parameters(query) {
  return new Map(
    query
      .slice(1)
      .split("&")
      .map((pair) => pair.split("=").map((part) => decodeURIComponent(part))),
  );
}

const given = parameters(window.location.search);

/** Airflow leaves {MAP_INDEX} as it stands where a task is not mapped. */
function mapIndex() {
  const index = given.get("map_index") ?? "";
  return /^\d+$/.test(index) ? Number(index) : -1;
}

const here = {
  dagId: given.get("dag_id"),
  runId: given.get("run_id"),
  taskId: given.get("task_id"),
  mapIndex: mapIndex(),
};

function address(path, values) {
  const query = new URLSearchParams(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined),
  );
  return `api/${encodeURIComponent(here.dagId)}/${path}?${query}`;
}

function explain(error) {
  if (!(error instanceof Refused)) return "Airflow does not answer.";
  if (error.status === 401) return "You are not logged in any more. Load the page again.";
  if (error.status === 403) return "You may not read the logs of this DAG, so its trainings are not shown to you.";
  if (error.status === 404) return "There is no such task in this run.";
  return `Airflow answers with an error (${error.status}).`;
}

const main = document.getElementById("main");
const trouble = h("p", { class: "trouble", role: "alert", hidden: true });

function show(view, path) {
  main.replaceChildren(trouble, view.element);
  const hear = (data) => {
    trouble.hidden = true;
    main.removeAttribute("aria-busy");
    view.update(data);
  };
  const fail = (error, wait) => {
    main.removeAttribute("aria-busy");
    const final = error instanceof Refused && error.status < 500;
    trouble.textContent = explain(error) + (final ? "" : ` Asking again in ${Math.round(wait / 1000)} s.`);
    trouble.hidden = false;
    // Nothing that was readable before stays on the page once it is not.
    if (final) view.clear();
  };
  return poll({ path, take: hear, ended: view.ended, fail });
}

function showTask() {
  const keys = { run_id: here.runId, task_id: here.taskId, map_index: here.mapIndex };
  const view = taskView({
    manifestPath: address("manifest", keys),
    compare: here.mapIndex >= 0 ? address("trainings", { run_id: here.runId, task_id: here.taskId }) : null,
  });
  show(view, () => address("task-instance", keys));
  return view;
}

function showMany(kind) {
  const keys = kind === "dag_run" ? { run_id: here.runId } : { task_id: here.taskId };
  const view = compareView({ kind, dagId: here.dagId, changed: () => ask() });
  const ask = show(view, () => address("trainings", { ...keys, metric: view.metric() }));
  return view;
}

const kind = given.get("view");
const view = kind === "task_instance" ? showTask() : showMany(kind);
followTheme(() => view.themed());
setInterval(() => view.tick(), 1000);
// What a test and a benchmark look at.
window.trainingTab = { view };
