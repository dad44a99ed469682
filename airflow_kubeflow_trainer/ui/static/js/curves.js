// Curves as data: which points are seen, where they lie, which is near.

import { smooth } from "./scale.js";

/** First index whose x is at least `x`. */
export function indexAt(xs, x) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function nearestIndex(xs, x) {
  const after = indexAt(xs, x);
  if (after === 0) return 0;
  if (after === xs.length) return xs.length - 1;
  return xs[after] - x < x - xs[after - 1] ? after : after - 1;
}

/** What of each curve is drawn: smoothed, and without what a logarithm does not have. */
export function prepare(curves, { log, smoothing }) {
  return curves.map((curve) => {
    const usable = curve.y
      .map((y, index) => [curve.x[index], y])
      .filter(([, y]) => Number.isFinite(y) && (!log || y > 0));
    const x = usable.map(([one]) => one);
    const raw = usable.map(([, one]) => one);
    return { ...curve, x, raw, y: smooth(raw, smoothing) };
  });
}

export function xRange(curves) {
  let low = Infinity;
  let high = -Infinity;
  for (const { x } of curves) {
    if (!x.length) continue;
    low = Math.min(low, x[0]);
    high = Math.max(high, x[x.length - 1]);
  }
  return low <= high ? [low, high] : null;
}

/** The range of y between two x, with some room; what is drawn faintly behind does not count where it is wild. */
export function yRange(curves, [from, to], log) {
  let low = Infinity;
  let high = -Infinity;
  for (const curve of curves) {
    const end = indexAt(curve.x, to + Number.EPSILON * Math.abs(to));
    for (let index = indexAt(curve.x, from); index <= end && index < curve.x.length; index += 1) {
      if (curve.x[index] > to) break;
      low = Math.min(low, curve.y[index]);
      high = Math.max(high, curve.y[index]);
    }
  }
  if (!(low <= high)) return null;
  if (log) return [low / 1.1, high * 1.1];
  const room = (high - low) * 0.06;
  return [low - room, high + room];
}
