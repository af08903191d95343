// The last five minutes: rates and latencies, from the differences of the gate's counters.

const KEPT = 300; // Points, one a second.
const WINDOW = 5; // The period of a rate or quantile, in seconds.

const sum = (counts) => Object.values(counts ?? {}).reduce((all, n) => all + n, 0);

/**
 * Return a quantile of the events between two histograms, in seconds; null if there were none.
 *
 * Within a bucket it is interpolated, as in Prometheus' histogram_quantile.
 */
export function quantile(q, older, newer) {
  const total = newer.count - older.count;
  if (total <= 0) return null;
  const rank = q * total;
  let below = 0;
  let low = 0;
  for (let i = 0; i < newer.buckets.length; i += 1) {
    const [le, n] = newer.buckets[i];
    if (typeof le !== "number") break;
    const cumulative = n - (older.buckets[i]?.[1] ?? 0);
    if (cumulative >= rank) {
      const within = cumulative - below;
      return within > 0 ? low + ((le - low) * (rank - below)) / within : le;
    }
    below = cumulative;
    low = le;
  }
  return low; // The quantile is above the last bound.
}

/** Return the sum of histograms with the same bounds. */
export function merge(histograms) {
  const all = { count: 0, buckets: [] };
  for (const one of histograms) {
    all.count += one.count;
    one.buckets.forEach(([le, n], i) => {
      if (all.buckets[i] === undefined) all.buckets[i] = [le, n];
      else all.buckets[i][1] += n;
    });
  }
  return all;
}

/** The counters of one route or server, and their rates and latencies in the last five minutes. */
class Track {
  constructor() {
    this.past = [];
    this.points = null; // Made at the first request, since most of 2,000 routes have none.
    this.now = { rate: null, errors: null, p50: null, p99: null };
    this.seen = 0;
  }

  add(time, total, errors, histogram, length) {
    const last = this.past.at(-1);
    // If counters decrease, the process is new, or the server was removed and added again.
    if (last !== undefined && total < last.total) this.past = [];
    this.past.push({ time, total, errors, histogram });
    if (this.past.length > WINDOW + 1) this.past.shift();
    const first = this.past[0];
    const span = time - first.time;
    this.now = span > 0
      ? {
          rate: (total - first.total) / span,
          errors: (errors - first.errors) / span,
          p50: quantile(0.5, first.histogram, histogram),
          p99: quantile(0.99, first.histogram, histogram),
        }
      : { rate: null, errors: null, p50: null, p99: null };
    this.total = total;
    if (this.points === null) {
      if (!this.now.rate) return;
      const empty = () => new Array(length - 1).fill(null);
      this.points = { rate: empty().fill(0), errors: empty().fill(0), p50: empty(), p99: empty() };
    }
    for (const [name, values] of Object.entries(this.points)) {
      values.push(this.now[name]);
      if (values.length > KEPT) values.shift();
    }
  }

  gap() {
    this.past = [];
    if (this.points === null) return;
    for (const values of Object.values(this.points)) {
      values.push(null);
      if (values.length > KEPT) values.shift();
    }
  }
}

/** The data of all plots. */
export class History {
  constructor() {
    this.times = [];
    this.tracks = new Map();
    this.inFlight = [];
    this.connections = [];
    this.process = null;
  }

  track(key) {
    let track = this.tracks.get(key);
    if (track === undefined) this.tracks.set(key, (track = new Track()));
    return track;
  }

  /** Add a status object. */
  add(status) {
    const time = status.gate.now_s;
    if (this.times.length && time <= this.times.at(-1)) return;
    const process = `${status.gate.pid} ${status.gate.started_s}`;
    const late = this.times.length && time - this.times.at(-1) > WINDOW * 2;
    if ((this.process !== null && process !== this.process) || late) this.#gap(time);
    this.process = process;
    this.#time(time);
    const length = this.times.length;
    const routes = status.routes;
    for (const route of routes) this.#add(`route ${route.label}`, time, route, route.requests?.["5xx"] ?? 0, length);
    for (const upstream of status.upstreams) {
      for (const server of upstream.servers) {
        const failed = (server.requests?.["5xx"] ?? 0) + sum(server.failures);
        this.#add(serverKey(upstream.name, server.origin), time, server, failed, length);
      }
    }
    const all = merge(routes.map((route) => route.duration));
    const total = routes.reduce((n, route) => n + sum(route.requests), 0);
    const errors = routes.reduce((n, route) => n + (route.requests?.["5xx"] ?? 0), 0);
    this.track("all").add(time, total, errors, all, length);
    this.#push(this.inFlight, routes.reduce((n, route) => n + route.in_flight, 0));
    this.#push(this.connections, status.bounds?.connections ?? null);
    for (const [key, track] of this.tracks) if (track.seen !== time && key !== "all") this.tracks.delete(key);
  }

  #add(key, time, counted, errors, length) {
    const track = this.track(key);
    track.seen = time;
    track.add(time, sum(counted.requests), errors, counted.duration, length);
  }

  #time(time) {
    this.#push(this.times, time);
  }

  #push(values, value) {
    values.push(value);
    if (values.length > KEPT) values.shift();
  }

  /** Add a gap to each line just before a time. */
  #gap(time) {
    this.#time(time - 0.5);
    for (const track of this.tracks.values()) track.gap();
    this.#push(this.inFlight, null);
    this.#push(this.connections, null);
  }
}

/** The key of an upstream's server. */
export const serverKey = (upstream, origin) => `server ${upstream} ${origin}`;
