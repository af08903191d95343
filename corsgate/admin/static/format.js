// Numbers and times as text, with their units.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 1234 as "1,234". */
export const count = (n) => plain.format(n);

/** 1 and "server" as "1 server"; 2 as "2 servers". */
export const several = (n, what, many = `${what}s`) => `${count(n)} ${n === 1 ? what : many}`;

/** Three significant digits at most, never an exponent. */
function short(n) {
  if (n >= 100) return plain.format(n);
  return String(Number(n.toFixed(n >= 10 ? 1 : 2)));
}

/** A number per second. */
export const rate = (n) => (n === null || n === undefined ? "–" : `${short(n)}/s`);

/** A latency in seconds. */
export function latency(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${short(seconds * 1000)} ms`;
  return `${short(seconds)} s`;
}

/** A share between 0 and 1. */
export const percent = (share) => `${short(share * 100)} %`;

/** A number of bytes. */
export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) {
    n /= 1000;
    at += 1;
  }
  return `${short(n)} ${units[at]}`;
}

/** A duration in seconds, in its two largest units. */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  const h = Math.floor(s / 3600);
  if (h < 48) return `${h} h ${Math.floor((s % 3600) / 60)} min`;
  return several(Math.floor(h / 24), "day");
}

/** A time of today as "12:03:04", of another day with its date. */
export function clock(time_s, now_s = Date.now() / 1000) {
  const time = new Date(time_s * 1000);
  const hms = time.toLocaleTimeString("en-GB");
  return time.toDateString() === new Date(now_s * 1000).toDateString() ? hms : `${day(time_s)} ${hms}`;
}

/** The date of a time, as "2026-07-31". */
export function day(time_s) {
  const time = new Date(time_s * 1000);
  const two = (n) => String(n).padStart(2, "0");
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
}

/** The pages whose requests use an account, as " from http://a, http://b"; "" for all others. */
export function fromPages({ origins }) {
  return origins.length ? ` from ${origins.join(", ")}` : "";
}
