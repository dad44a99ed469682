// From values to pixels, and the marks on an axis.

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export class Scale {
  constructor(low, high, from, to, log = false) {
    this.log = log;
    this.from = from;
    this.to = to;
    this.low = log ? Math.log10(low) : low;
    this.high = log ? Math.log10(high) : high;
    if (!(this.high > this.low)) {
      const room = Math.abs(this.low) * 0.05 || (log ? 0.05 : 0.5);
      this.low -= room;
      this.high += room;
    }
    this.factor = (to - from) / (this.high - this.low);
  }

  at(value) {
    return this.from + ((this.log ? Math.log10(value) : value) - this.low) * this.factor;
  }

  value(pixel) {
    const inside = clamp((pixel - this.from) / this.factor + this.low, this.low, this.high);
    return this.log ? 10 ** inside : inside;
  }

  ticks(count) {
    const linear = this.log ? null : linearTicks(this.low, this.high, count);
    return linear ?? logTicks(this.low, this.high, count);
  }
}

function linearTicks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const ticks = [];
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

function logTicks(low, high, count) {
  if (high - low < 1) return linearTicks(10 ** low, 10 ** high, count).filter((tick) => tick > 0);
  const decades = [];
  const stride = Math.max(1, Math.ceil((high - low) / count));
  for (let power = Math.ceil(low); power <= high; power += stride) decades.push(power);
  const factors = (high - low) * 3 <= count * 1.5 ? [1, 2, 5] : [1];
  const ticks = [Math.floor(low), ...decades].flatMap((power) => factors.map((factor) => factor * 10 ** power));
  return [...new Set(ticks)].filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
}

/** A tick as short as it can be told from its neighbours. */
export function tickText(tick) {
  const size = Math.abs(tick);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return Number(tick.toPrecision(6)).toExponential().replace("e+", "e");
  return Number(tick.toPrecision(8)).toLocaleString("en", { maximumFractionDigits: 6 });
}

/** Exponential smoothing, free of the pull to its start, as TensorBoard does it; weight from 0 (none) to below 1. */
export function smooth(values, weight) {
  if (!weight) return values;
  let sum = 0;
  let count = 0;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = sum * weight + value * (1 - weight);
    count += 1;
    return sum / (1 - weight ** count);
  });
}
