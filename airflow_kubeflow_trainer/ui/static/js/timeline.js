// The phases of a training, one after another, each as wide as it was long.

import { h } from "./dom.js";
import { duration } from "./format.js";
import { moment, PHASES } from "./parts.js";

/** Phases with their durations; one that is still going on lasts until now. */
function spans(phases, now) {
  return phases
    .filter((phase) => !["Succeeded", "Failed"].includes(phase.phase))
    .map((phase) => ({
      ...phase,
      seconds: Math.max(0, (phase.until ?? now) - phase.since),
      open: phase.until === null,
    }));
}

export function timeline(phases, now) {
  const shown = spans(phases, now);
  if (!shown.length) return null;
  const whole = shown.reduce((sum, span) => sum + span.seconds, 0) || 1;
  const strip = shown.map((span) =>
    h("div", {
      class: `is-${span.phase.toLowerCase()}${span.open ? " open" : ""}`,
      // Even a moment is seen.
      style: { "flex-grow": String(Math.max(span.seconds / whole, 0.012)) },
      title: `${PHASES[span.phase]?.word ?? span.phase}: ${duration(span.seconds)}`,
    }),
  );
  const list = shown.map((span) =>
    h(
      "li",
      {},
      h("span", { class: `dot is-${span.phase.toLowerCase()}` }),
      h("span", { class: "phase" }, PHASES[span.phase]?.word ?? span.phase),
      h("b", {}, duration(span.seconds)),
      h("span", { class: "quiet" }, "since ", moment(span.since)),
      // The words of the present phase stand at the top of the page.
      span.reason && !span.open ? h("span", { class: "quiet reason" }, span.reason) : null,
    ),
  );
  return [h("div", { class: "strip", "aria-hidden": "true" }, strip), h("ol", { class: "phases" }, list)];
}
