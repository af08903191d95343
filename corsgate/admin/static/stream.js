// Receives status objects from the gate once a second, and reports when they stop.

const SILENCE_MS = 6000;
const RETRY_MS = 2000;
const POLL_MS = 5000;
const UNSEEN_MS = 60000;

/**
 * Watch the gate.
 *
 * @param onStatus Called with each status object.
 * @param onState Called with "live", "polled" (too many pages watch, so this one polls every five
 *   seconds) or "lost", and the time of the last status object in milliseconds.
 */
export function watch(onStatus, onState) {
  let source = null;
  let silence = 0;
  let last = Date.now();
  let unseen = 0;
  let closed = false;

  function take(text, state) {
    const status = JSON.parse(text);
    last = Date.now();
    onState(state, last);
    onStatus(status);
  }

  function open() {
    if (closed) return;
    source = new EventSource("api/events");
    source.addEventListener("status", (event) => {
      clearTimeout(silence);
      silence = setTimeout(failed, SILENCE_MS);
      take(event.data, "live");
    });
    source.addEventListener("error", failed);
    silence = setTimeout(failed, SILENCE_MS);
  }

  async function failed() {
    if (closed) return;
    clearTimeout(silence);
    source.close();
    try {
      const response = await fetch("api/status", { signal: AbortSignal.timeout(SILENCE_MS) });
      if (!response.ok) throw new Error(response.statusText);
      take(await response.text(), "polled");
      setTimeout(open, POLL_MS);
    } catch {
      onState("lost", last);
      setTimeout(open, RETRY_MS);
    }
  }

  function close() {
    closed = true;
    clearTimeout(silence);
    source.close();
  }

  // A hidden page disconnects, so that it costs the gate nothing and makes room for another.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(unseen);
    if (document.hidden) {
      unseen = setTimeout(close, UNSEEN_MS);
    } else if (closed) {
      closed = false;
      open();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    closed = false;
    open();
  });
  open();
}
