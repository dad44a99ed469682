// One task instance: where its training is, how it goes, and why it failed.

import { CurvesCard } from "./curves_card.js";
import { copyable, h, Section } from "./dom.js";
import { clock, duration, number, plural } from "./format.js";
import { bar, card, hasEnded, moment, pace, PHASES, pill, place, remaining, stateOf, table } from "./parts.js";
import { getJson } from "./poll.js";
import { timeline } from "./timeline.js";
import { MappedSwitch } from "./mapped_switch.js";

const QUIET_AFTER = 180; // seconds without a word of the training that are worth a remark

export function taskView({ manifestPath, compare }) {
  return new TaskView(manifestPath, compare);
}

class TaskView {
  constructor(manifestPath, compare) {
    this.curves = new CurvesCard();
    this.parts = {
      message: new Section((text) => h("p", { class: "quiet" }, text), { tag: "div" }),
      head: new Section(head, { tag: "header", class: "head" }),
      diagnosis: new Section(diagnosis, { class: "card failure", role: "alert" }),
      progress: new Section(progressCard, { class: "card" }),
      timeline: new Section(timelineCard, { class: "card" }),
      pods: new Section(podsCard, { class: "card" }),
      events: new Section(eventsCard, { class: "card" }),
      commands: new Section(commandsCard, { class: "card" }),
    };
    this.manifest = manifestCard(manifestPath);
    const { message, head: top, diagnosis: why, progress, timeline: phases, pods, events, commands } = this.parts;
    this.single = h(
      "div",
      { class: "page" },
      ...[message, top, why].map((part) => part.element),
      h("div", { class: "pair" }, progress.element, phases.element),
      this.curves.element,
      ...[pods, events, commands].map((part) => part.element),
      this.manifest,
    );
    this.mapped = compare ? new MappedSwitch(this.single, compare) : null;
    this.element = this.mapped ? this.mapped.element : this.single;
    this.ended = (data) => hasEnded(data.task, data.record);
  }

  update(data) {
    this.data = data;
    this.skew = Date.now() / 1000 - data.now;
    this.#show();
    this.curves.update(data.record?.metrics);
    this.manifest.hidden = !(data.record || data.trainjob);
  }

  clear() {
    this.data = null;
    this.element.replaceChildren();
  }

  tick() {
    if (this.data) this.#show();
  }

  themed() {
    if (this.data) this.curves.update(this.data.record?.metrics);
    this.mapped?.themed();
  }

  #show() {
    const { task, record, trainjob, problem, ours } = this.data;
    const now = Date.now() / 1000 - this.skew;
    const state = stateOf(task, record);
    const over = hasEnded(task, record);
    const { parts } = this;
    parts.message.update(message({ task, record, problem, ours }));
    parts.head.update(headOf({ state, record, trainjob, over, now }));
    parts.diagnosis.update(record?.diagnosis);
    parts.progress.update(
      record
        ? { state, progress: record.progress, over, restarts: record.restarts, left: left(record, over, now) }
        : null,
    );
    parts.timeline.update(
      record?.phases.length
        ? { phases: record.phases, now: over ? null : Math.floor(now), updated: record.updated }
        : null,
    );
    parts.pods.update(record?.pods.length ? { pods: record.pods, more: record.pods_left_out } : null);
    parts.events.update(record?.events.length ? record.events : null);
    parts.commands.update(
      record || trainjob
        ? { trainjob: record?.trainjob ?? trainjob, pods: record?.pods ?? [], culprit: record?.diagnosis?.pod }
        : null,
    );
  }
}

function message({ task, record, problem, ours }) {
  const begun = !["scheduled", "queued", null, undefined].includes(task.state);
  if (problem) return problem;
  if (record) return null;
  if (!ours) return begun ? "This task runs no TrainJob." : "This task has not started, and has no TrainJob.";
  if (["failed", "success", "skipped", "upstream_failed", "removed"].includes(task.state)) {
    return "This task ended before its training told anything. Its log has the reason.";
  }
  return begun
    ? "The TrainJob is being submitted."
    : "The task waits in Airflow; its TrainJob has not been created yet.";
}

function age(seconds) {
  return seconds < 20
    ? "just now"
    : `${duration(seconds < 60 ? Math.floor(seconds / 10) * 10 : seconds - (seconds % 60))} ago`;
}

function left(record, over, now) {
  if (over || record.phase !== "Running") return null;
  const seconds = remaining(record.progress, now);
  const silent =
    record.progress.as_of !== null && now - record.progress.as_of > QUIET_AFTER ? now - record.progress.as_of : null;
  return {
    seconds: seconds === null ? null : Math.round(seconds),
    silent: silent && Math.floor(silent / 60) * 60,
    ends: seconds === null ? null : Math.round((now + seconds) / 60) * 60,
  };
}

function headOf({ state, record, trainjob, over, now }) {
  if (!record) return trainjob && { state, trainjob };
  const waits = !over && ["Queued", "Starting", "Initializing"].includes(state);
  return {
    state,
    trainjob: record.trainjob,
    updated: record.updated,
    told: over ? null : age(now - record.updated),
    says: waits ? [PHASES[state].says, record.phases.at(-1)?.reason].filter(Boolean).join(": ") : null,
  };
}

function head({ state, trainjob, updated, told, says }) {
  const about = [
    trainjob.runtime,
    trainjob.nodes ? plural(trainjob.nodes, "node") : null,
    `namespace ${trainjob.namespace}`,
  ].filter(Boolean);
  return [
    h("div", { class: "head-line" }, pill(state), h("h1", {}, trainjob.name)),
    h(
      "p",
      { class: "quiet" },
      about.join(" · "),
      updated ? [" · ", told ? `updated ${told}` : ["as of ", moment(updated)]] : null,
    ),
    says ? h("p", { class: `says is-${state.toLowerCase()}` }, `It ${says}`) : null,
  ];
}

function diagnosis(found) {
  const { cause, message: text, remedy, evidence, pod } = found;
  const lines = [evidence].flat().filter(Boolean);
  return [
    h("h2", {}, "Why it failed"),
    h("p", { class: "why" }, `${text}.`),
    remedy ? h("p", { class: "remedy" }, h("b", {}, "What to do: "), `${remedy}.`) : null,
    lines.length ? h("details", {}, h("summary", {}, "Evidence"), h("pre", {}, lines.map(String).join("\n"))) : null,
    h("p", { class: "quiet" }, [words(cause), pod ? `pod ${pod}` : null].filter(Boolean).join(" · ")),
  ];
}

const words = (cause) => (cause ?? "").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function progressCard({ state, progress, over, restarts, left: rest }) {
  const known = progress.percent !== null;
  const percent = state === "Succeeded" ? 100 : progress.percent;
  const speed = over ? null : pace(progress.per_second, progress.step !== null);
  const facts = [
    ...place(progress),
    speed,
    restarts.length ? `restarted ${restarts.length === 1 ? "once" : `${restarts.length} times`}` : null,
  ];
  const told = facts.filter(Boolean);
  if (!known && !told.length && state !== "Running") return null;
  return [
    h(
      "div",
      { class: "progress-head" },
      known || state === "Succeeded"
        ? h("span", { class: "percent" }, `${Math.floor(Number(percent))} %`)
        : h("span", { class: "percent quiet" }, PHASES[state]?.word ?? state),
      h("span", { class: "remaining" }, remainingWords(rest)),
    ),
    bar(percent, state),
    h("p", { class: "facts" }, told.length ? told.join(" · ") : "The training has not told of its progress yet."),
    rest?.silent ? h("p", { class: "note" }, `Nothing of its progress was heard for ${duration(rest.silent)}.`) : null,
  ];
}

function remainingWords(rest) {
  if (!rest || rest.seconds === null) return "";
  return rest.seconds < 5
    ? "nearly done"
    : `about ${duration(rest.seconds)} left, until ${clock(rest.ends).slice(0, -3)}`;
}

function timelineCard({ phases, now, updated }) {
  const shown = timeline(phases, now ?? updated);
  return shown && card("Timeline", shown);
}

const POD_COLUMNS = [
  { name: "Pod", class: "mono", cell: (pod) => pod.name },
  { name: "Node", class: "mono", cell: (pod) => pod.node || "–" },
  { name: "State", cell: (pod) => h("span", { class: `state ${podClass(pod)}` }, pod.state) },
  { name: "Restarts", number: true, cell: (pod) => String(pod.restarts) },
  { name: "Exit code", number: true, cell: (pod) => (pod.exit_code === null ? "–" : String(pod.exit_code)) },
  { name: "Reason", class: "wide", cell: (pod) => pod.reason || "–" },
];

function podClass(pod) {
  if (pod.state === "Running" || pod.state === "Completed" || pod.state === "Succeeded") return "good";
  return pod.exit_code ? "bad" : "";
}

function podsCard({ pods, more }) {
  const rest = more ? h("p", { class: "quiet" }, `and ${plural(more, "more pod")}`) : null;
  return card("Pods", table("Pods", POD_COLUMNS, pods), rest);
}

const EVENT_COLUMNS = [
  { name: "Time", cell: (event) => moment(event.at) },
  {
    name: "Type",
    cell: (event) => h("span", { class: `state ${event.type === "Warning" ? "warn" : ""}` }, event.type),
  },
  { name: "Reason", cell: (event) => (event.count > 1 ? `${event.reason} ×${event.count}` : event.reason) },
  { name: "Object", class: "mono", cell: (event) => event.object },
  { name: "Message", class: "wide", cell: (event) => event.message },
];

function eventsCard(events) {
  const warnings = events.filter((event) => event.type === "Warning").length;
  const summary = `${plural(events.length, "event")}${warnings ? `, ${plural(warnings, "warning")}` : ""}`;
  const list = table("Events", EVENT_COLUMNS, [...events].reverse());
  return [
    h(
      "details",
      { open: warnings > 0 },
      h("summary", {}, h("h2", {}, "Events"), h("span", { class: "quiet" }, summary)),
      list,
    ),
  ];
}

function commandsCard({ trainjob, pods, culprit }) {
  const where = `-n ${trainjob.namespace}`;
  const wanted = [(pod) => pod.name === culprit, (pod) => pod.exit_code, (pod) => pod.state === "Running", () => true];
  const first = wanted.map((is) => pods.find(is)).find(Boolean);
  const commands = [
    `kubectl ${where} describe trainjob ${trainjob.name}`,
    `kubectl ${where} get pods -l jobset.sigs.k8s.io/jobset-name=${trainjob.name}`,
    first
      ? `kubectl ${where} logs ${first.name}${first.container ? ` -c ${first.container}` : ""}${first.state === "Running" ? " -f" : ""}`
      : null,
  ];
  return card("Commands", ...commands.filter(Boolean).map(copyable));
}

function manifestCard(path) {
  const text = h("pre", { tabindex: 0 });
  const details = h("details", {}, h("summary", {}, h("h2", {}, "Manifest")), text);
  details.addEventListener("toggle", async () => {
    if (!details.open) return;
    try {
      text.textContent = (await getJson(path)).manifest ?? "Airflow has not kept it.";
    } catch (error) {
      text.textContent = `It cannot be read now (${error.message}).`;
    }
  });
  return h("section", { class: "card", hidden: true }, details);
}
