// Numbers and times as a person reads them.

export function number(value) {
  const given = Number(value);
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(given)) return Number.isNaN(given) ? "NaN" : given > 0 ? "∞" : "−∞";
  const size = Math.abs(given);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return given.toExponential(2).replace("e+", "e");
  if (Number.isInteger(given)) return given.toLocaleString("en");
  return given.toLocaleString("en", { maximumSignificantDigits: size >= 1000 ? 5 : 4 });
}

export function whole(value) {
  return Math.round(value).toLocaleString("en");
}

/** 75 -> "1 min 15 s". Two units at most: nobody needs the seconds of a day. */
export function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  if (total < 60) return `${total} s`;
  const units = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => total >= size);
  const parts = units.slice(first, first + 2).map(([name, size], index) => {
    const rest = index === 0 ? total : total % units[first][1];
    return [Math.floor(rest / size), name];
  });
  return parts
    .filter(([count]) => count > 0)
    .map(([count, name]) => `${count} ${name}`)
    .join(" ");
}

function zone() {
  // The one that is chosen in Airflow.
  const chosen = window.localStorage.getItem("timezone");
  return chosen && chosen !== "local" ? chosen : undefined;
}

function inZone(moment, options) {
  const date = new Date(moment * 1000);
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone() }).format(date);
  } catch {
    return new Intl.DateTimeFormat("en-GB", options).format(date);
  }
}

export function clock(moment, now = Date.now() / 1000) {
  const sameDay = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return Math.abs(now - moment) < 20 * 3600 ? inZone(moment, sameDay) : dateTime(moment);
}

export function dateTime(moment) {
  return inZone(moment, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

export function full(moment) {
  return inZone(moment, { dateStyle: "medium", timeStyle: "long" });
}

/** "grad_norm" -> "grad norm", but names that are paths stay as they are. */
export function title(name) {
  return /[/.]/.test(name) ? name : name.replaceAll("_", " ");
}

export function plural(count, one) {
  return `${whole(count)} ${one}${count === 1 ? "" : "s"}`;
}
