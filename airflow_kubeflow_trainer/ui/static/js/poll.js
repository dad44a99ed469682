// Asking again and again, only while somebody looks, and less often once nothing changes any more.

const EVERY = 5_000;
const WHEN_ENDED = 30_000;
const AT_MOST = 60_000;

export class Refused extends Error {
  constructor(status) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

export async function getJson(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!response.ok) throw new Refused(response.status);
  return response.json();
}

/**
 * Call `take` with what `path()` gives, for as long as the page is open.
 * `ended(data)` says whether it is worth asking less often; `fail(error, wait)` hears of what went wrong.
 */
export function poll({ path, take, ended, fail }) {
  let timer = 0;
  let failures = 0;
  let running = false;
  let again = false; // asked for while an answer was awaited

  async function ask() {
    clearTimeout(timer);
    again = running;
    if (running) return;
    running = true;
    let wait = EVERY;
    let data = null;
    try {
      data = await getJson(path());
      failures = 0;
    } catch (error) {
      failures += 1;
      wait = Math.min(AT_MOST, EVERY * 2 ** (failures - 1));
      fail(error, wait);
    }
    running = false;
    if (data !== null && ended(data)) wait = WHEN_ENDED;
    if (again) wait = 0;
    if (!document.hidden) timer = setTimeout(ask, wait);
    if (data !== null) take(data);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else ask();
  });
  ask();
  return ask;
}
