// A line chart on canvas: any number of curves, each with its own x. Drag zooms, the pointer or the arrow keys read values.

import { nearestIndex, indexAt, prepare, xRange, yRange } from "./curves.js";
import { h, say } from "./dom.js";
import { number, plural } from "./format.js";
import { Scale, tickText } from "./scale.js";
import { colour } from "./theme.js";

const DRAG = 6; // pixels that make a drag of a click
const SHOWN_IN_TIP = 7;

export class Chart {
  constructor({ label, onread = () => {} }) {
    this.label = label;
    this.onread = onread;
    this.curves = [];
    this.options = { log: false, smoothing: 0, xName: "step" };
    this.zoom = null;
    this.reading = null; // x that is read
    this.highlighted = null;
    this.ground = h("canvas", { class: "chart-ground" });
    this.over = h("canvas", { class: "chart-over", tabindex: 0, role: "application", "aria-roledescription": "chart" });
    this.tip = h("div", { class: "tip", hidden: true });
    this.element = h("div", { class: "chart" }, this.ground, this.over, this.tip);
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Show other curves: `{name, colour, x, y}`, x ascending. The zoom stays. */
  show(curves, options = {}) {
    this.curves = curves;
    Object.assign(this.options, options);
    this.prepared = prepare(this.curves, this.options);
    this.draw();
  }

  resetZoom() {
    this.zoom = null;
    this.draw();
  }

  /** Zoom about what is read, or the middle; a factor below 1 shows less. */
  zoomBy(factor) {
    const whole = xRange(this.prepared ?? []);
    if (!whole) return;
    const [low, high] = this.zoom ?? whole;
    const middle = this.reading ?? (low + high) / 2;
    const from = Math.max(whole[0], middle - (middle - low) * factor);
    const to = Math.min(whole[1], middle + (high - middle) * factor);
    this.zoom = from <= whole[0] && to >= whole[1] ? null : [from, to];
    this.draw();
  }

  highlight(name) {
    if (this.highlighted === name) return;
    this.highlighted = name;
    this.draw();
  }

  draw() {
    const started = performance.now();
    const { width, height } = this.#fit();
    if (!width || !this.prepared) return;
    const context = this.ground.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.font = `12px ${getComputedStyle(this.element).fontFamily}`;
    this.frame = this.#frame(context, width, height);
    if (this.frame) {
      this.#axes(context);
      this.#lines(context);
    } else {
      this.#nothing(context, width, height);
    }
    this.over.setAttribute("aria-label", this.#summary());
    this.#drawReading();
    this.lastDrawMilliseconds = performance.now() - started;
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.element;
    const ratio = window.devicePixelRatio || 1;
    for (const canvas of [this.ground, this.over]) {
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    return { width, height };
  }

  #frame(context, width, height) {
    const whole = xRange(this.prepared);
    const shown = this.zoom ?? whole;
    const range = whole && yRange(this.prepared, shown, this.options.log);
    if (!range) return null;
    const top = 10;
    const bottom = height - 38;
    const y = new Scale(range[0], range[1], bottom, top, this.options.log);
    const yTicks = y.ticks(Math.max(2, Math.floor((bottom - top) / 48)));
    const left = Math.ceil(Math.max(24, ...yTicks.map((tick) => context.measureText(tickText(tick)).width))) + 12;
    const right = width - 14;
    const x = new Scale(shown[0], shown[1], left, right);
    const xTicks = x.ticks(Math.max(2, Math.floor((right - left) / 75)));
    return { x, y, xTicks, yTicks, left, right, top, bottom, shown };
  }

  #axes(context) {
    const { x, y, xTicks, yTicks, left, right, bottom } = this.frame;
    context.strokeStyle = colour("--grid");
    context.fillStyle = colour("--quiet");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const tick of yTicks) {
      const at = Math.round(y.at(tick)) + 0.5;
      context.beginPath();
      context.moveTo(left, at);
      context.lineTo(right, at);
      context.stroke();
      context.fillText(tickText(tick), left - 8, at);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    for (const tick of xTicks) {
      const text = tickText(tick);
      const farthest = right + 12 - context.measureText(text).width / 2;
      context.fillText(text, Math.min(x.at(tick), farthest), bottom + 6);
    }
    context.textAlign = "right";
    context.fillText(this.options.xName, right, bottom + 22);
  }

  #lines(context) {
    const { left, right, top, bottom } = this.frame;
    context.save();
    context.beginPath();
    context.rect(left, top - 4, right - left + 4, bottom - top + 8);
    context.clip();
    context.lineJoin = "round";
    const dimmed = this.highlighted !== null && this.prepared.some((curve) => curve.name === this.highlighted);
    const order = [...this.prepared].sort((a, b) => (a.name === this.highlighted) - (b.name === this.highlighted));
    for (const curve of order) {
      const faded = dimmed && curve.name !== this.highlighted;
      if (this.options.smoothing && !faded) this.#line(context, curve, curve.raw, 1, 0.25);
      this.#line(context, curve, curve.y, dimmed && !faded ? 3 : 1.8, faded ? 0.18 : 1);
    }
    context.restore();
  }

  #line(context, curve, values, width, opacity) {
    const { x, y, shown } = this.frame;
    const from = Math.max(0, indexAt(curve.x, shown[0]) - 1);
    const to = Math.min(curve.x.length - 1, indexAt(curve.x, shown[1]));
    if (to < from) return;
    context.globalAlpha = opacity;
    context.strokeStyle = context.fillStyle = curve.colour;
    context.lineWidth = width;
    context.beginPath();
    for (let index = from; index <= to; index += 1) context.lineTo(x.at(curve.x[index]), y.at(values[index]));
    context.stroke();
    // Few points are seen as points; the last one always, since it is where the training is.
    const sparse = to - from < 30;
    for (let index = sparse ? from : to; index <= to; index += 1) {
      context.beginPath();
      context.arc(x.at(curve.x[index]), y.at(values[index]), index === curve.x.length - 1 ? 3.2 : 2.2, 0, 7);
      if (sparse || index === curve.x.length - 1) context.fill();
    }
    context.globalAlpha = 1;
  }

  #nothing(context, width, height) {
    context.fillStyle = colour("--quiet");
    context.textAlign = "center";
    const anything = this.curves.some((curve) => curve.x.length);
    context.fillText(anything ? "No value above 0 to show on a log scale" : "No values yet", width / 2, height / 2);
  }

  #drawReading() {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.element.clientWidth, this.element.clientHeight);
    this.tip.hidden = true;
    if (!this.frame) return;
    const { x, y, left, right, top, bottom, shown } = this.frame;
    if (this.drag) {
      const [from, to] = [this.drag.from, this.drag.to].map((at) => Math.min(right, Math.max(left, at)));
      context.fillStyle = colour("--select");
      context.fillRect(from, top, to - from, bottom - top);
      return;
    }
    if (this.reading === null || this.reading < shown[0] || this.reading > shown[1]) return;
    const at = Math.round(x.at(this.reading)) + 0.5;
    context.strokeStyle = colour("--quiet");
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(at, top);
    context.lineTo(at, bottom);
    context.stroke();
    context.setLineDash([]);
    const read = this.#read();
    for (const { curve, index } of read) {
      context.fillStyle = curve.colour;
      context.strokeStyle = colour("--card");
      context.lineWidth = 1.5;
      context.beginPath();
      context.arc(x.at(curve.x[index]), y.at(curve.y[index]), 4, 0, 7);
      context.fill();
      context.stroke();
    }
    this.#showTip(read, at);
  }

  /** The point of each curve at what is read; of many curves those nearest to the pointer. */
  #read() {
    const span = this.frame.shown[1] - this.frame.shown[0];
    const found = this.prepared
      .filter((curve) => curve.x.length)
      .map((curve) => ({ curve, index: nearestIndex(curve.x, this.reading) }))
      .filter(
        ({ curve, index }) => Math.abs(curve.x[index] - this.reading) <= span * 0.05 || this.prepared.length === 1,
      );
    if (found.length <= SHOWN_IN_TIP) return found;
    const distance = ({ curve, index }) => Math.abs(this.frame.y.at(curve.y[index]) - (this.pointerY ?? 0));
    return found.sort((a, b) => distance(a) - distance(b)).slice(0, SHOWN_IN_TIP);
  }

  #showTip(read, at) {
    if (!read.length) return;
    const head = `${this.options.xName} ${number(read[0].curve.x[read[0].index])}`;
    const rows = read.map(({ curve, index }) => {
      const raw = this.options.smoothing ? ` (${number(curve.raw[index])})` : "";
      const dot = h("span", { class: "dot", style: { background: curve.colour } });
      return h("div", {}, dot, h("span", { class: "tip-name" }, curve.name), h("b", {}, number(curve.y[index]) + raw));
    });
    this.tip.replaceChildren(h("div", { class: "tip-head" }, head), ...rows);
    this.tip.hidden = false;
    const room = this.element.clientWidth - at;
    const width = this.tip.offsetWidth;
    this.tip.style.left = `${room > width + 20 ? at + 12 : Math.max(0, at - width - 12)}px`;
    this.onread(read[0].curve.name);
  }

  #summary() {
    const told = this.prepared
      .filter((curve) => curve.x.length)
      .slice(0, 5)
      .map((curve) => {
        const [first, last] = [curve.raw[0], curve.raw[curve.raw.length - 1]];
        return `${curve.name}: ${plural(curve.x.length, "point")}, from ${number(first)} to ${number(last)}`;
      });
    return `${this.label} over ${this.options.xName}. ${told.join(". ")}. Arrow keys read values, plus and minus zoom.`;
  }

  #listen() {
    const place = (event) => {
      const box = this.over.getBoundingClientRect();
      return { px: event.clientX - box.left, py: event.clientY - box.top };
    };
    this.over.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0 && this.frame) {
        const { px } = place(event);
        this.pressed = px;
        this.over.setPointerCapture(event.pointerId);
      }
    });
    this.over.addEventListener("pointermove", (event) => {
      if (!this.frame) return;
      const { px, py } = place(event);
      this.pointerY = py;
      this.reading = this.frame.x.value(px);
      const dragged = this.pressed !== undefined && Math.abs(px - this.pressed) > DRAG;
      this.drag = dragged ? { from: this.pressed, to: px } : null;
      this.#drawReading();
    });
    this.over.addEventListener("pointerup", () => {
      if (this.drag) {
        const chosen = [this.drag.from, this.drag.to].map((at) => this.frame.x.value(at)).sort((a, b) => a - b);
        this.zoom = chosen;
      }
      this.drag = null;
      this.pressed = undefined;
      this.draw();
    });
    this.over.addEventListener("pointerleave", () => {
      if (this.pressed !== undefined) return;
      this.reading = null;
      this.#drawReading();
      this.onread(null);
    });
    this.over.addEventListener("dblclick", () => this.resetZoom());
    this.over.addEventListener("blur", () => {
      this.reading = null;
      this.#drawReading();
    });
    this.over.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    if (!this.frame || event.ctrlKey || event.metaKey || event.altKey) return;
    const longest = this.prepared.reduce((a, b) => (b.x.length > a.x.length ? b : a));
    const stride = event.shiftKey ? 10 : 1;
    const now = this.reading === null ? longest.x.length - 1 : nearestIndex(longest.x, this.reading);
    const to = {
      ArrowLeft: this.reading === null ? now : now - stride,
      ArrowRight: this.reading === null ? now : now + stride,
      Home: 0,
      End: longest.x.length - 1,
    }[event.key];
    if (to !== undefined) {
      this.reading = longest.x[Math.min(longest.x.length - 1, Math.max(0, to))];
      this.#drawReading();
      const values = this.#read().map(({ curve, index }) => `${curve.name} ${number(curve.raw[index])}`);
      say(`${this.options.xName} ${number(this.reading)}: ${values.join(", ")}`);
    } else if (event.key === "+" || event.key === "=") this.zoomBy(0.5);
    else if (event.key === "-") this.zoomBy(2);
    else if (event.key === "0" || event.key === "Escape") this.resetZoom();
    else return;
    event.preventDefault();
  }
}

/** A curve in a few pixels, without axes. */
export function sparkline({ x, y }, stroke) {
  const usable = y.map((one, index) => [x[index], one]).filter(([, one]) => Number.isFinite(one));
  if (usable.length < 2) return null;
  const values = usable.map(([, one]) => one);
  const across = new Scale(usable[0][0], usable[usable.length - 1][0], 1, 99);
  const up = new Scale(Math.min(...values), Math.max(...values), 26, 2);
  const points = usable.map(([one, value]) => `${across.at(one).toFixed(1)},${up.at(value).toFixed(1)}`).join(" ");
  return h(
    "svg",
    { viewBox: "0 0 100 28", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" },
    h("polyline", { points, fill: "none", stroke, "stroke-width": 1.5, "vector-effect": "non-scaling-stroke" }),
  );
}
