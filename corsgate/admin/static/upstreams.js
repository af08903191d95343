// The upstreams and their servers: health, ejections, pools and queues.

import { bar, byId, el, foreign, keyed, setClass, setText, show } from "./dom.js";
import { clock, count, duration, fromPages, latency, rate, several } from "./format.js";
import { serverKey } from "./history.js";
import { spark } from "./plots.js";

const STEP = 10;
const SERVERS = 20;
const NAMES = { up: "Up", down: "Down", ejected: "Ejected", half_open: "On trial", draining: "Draining" };
const LEVELS = { up: "pill good", down: "pill bad", ejected: "pill bad", half_open: "pill warn", draining: "pill warn" };
const UNUSED = { connections: 0, idle: 0, max: 0, waiting: 0, max_waiting: 0, tunnels: 0 };
const FAILURES = {
  connect: "failed to connect",
  connect_timeout: "timed out connecting",
  reset: "reset",
  timeout: "timed out",
  tunnels_full: "refused: too many tunnels",
  queue_full: "refused: queue full",
  queue_timeout: "waited too long",
  descriptors: "out of file descriptors",
  bad_response: "with a bad response",
  challenge: "with an unusable challenge",
  credentials: "not sent, since the box rejects the credentials",
  unsignable: "because the body could not be signed",
  login: "because the gate could not log in",
  cut: "cut short",
};
const cell = (label, name, ...children) => el("td", { role: "cell", "data-label": label, class: name }, ...children);
const head = (text, name) => el("th", { role: "columnheader", scope: "col", class: name }, text);

/** Describe why a server is not used, and until when. */
function why(server, now) {
  const parts = [server.reason ?? ""];
  if (server.until_s !== null && server.until_s > now) {
    parts.push(`until ${clock(server.until_s, now)} (in ${duration(server.until_s - now)})`);
  }
  return parts.filter(Boolean).join(", ");
}

function failures(server) {
  const counts = Object.entries(server.failures ?? {}).filter(([, n]) => n > 0);
  const parts = counts.map(([name, n]) => `${count(n)} ${FAILURES[name] ?? name.replaceAll("_", " ")}`);
  if (server.requests["5xx"]) parts.unshift(`${count(server.requests["5xx"])} with 5xx`);
  if (server.retries) parts.push(several(server.retries, "retry", "retries"));
  if (server.ejections) parts.push(several(server.ejections, "ejection"));
  return parts.join(" · ");
}

function row(upstream, first, history) {
  const key = serverKey(upstream, first.origin);
  const state = el("span", { class: "pill" });
  const reason = el("span", { class: "about foreign" });
  const requests = spark(`Requests per second to ${first.origin} over the last five minutes`, [["--blue", "--blue-fill"], ["--red", "--red-fill"]]);
  const times = spark(`Latency p50 and p99 of ${first.origin} over the last five minutes`, [["--teal", null], ["--violet", null]]);
  const about = el("span", { class: "about muted" });
  const refused = el("span", { class: "about bad foreign" });
  const [rateCell, p50, p99] = ["Rate", "p50", "p99"].map((label) => cell(label, "number"));
  const pool = bar("");
  const queue = bar("");
  const node = el(
    "tr",
    { role: "row" },
    el("th", { role: "rowheader", scope: "row" }, foreign(first.origin), about, refused),
    cell("State", "state", state, reason),
    cell("Requests", "spark", requests.node),
    rateCell,
    cell("Latency", "spark", times.node),
    p50,
    p99,
    cell("Connections", "fill-cell", pool.node),
    cell("Waiting", "fill-cell", queue.node),
  );
  return {
    node,
    update({ server, now: time }) {
      const { now, points } = history.track(key);
      setText(state, NAMES[server.state] ?? server.state);
      setClass(state, LEVELS[server.state] ?? "pill");
      setText(reason, server.state === "up" ? "" : why(server, time));
      setText(about, failures(server));
      const refusal = server.credentials_refused;
      const blocked = server.credentials_blocked;
      setText(refused, [
        refusal ? `${refusal.words}${fromPages(refusal) && `, for requests${fromPages(refusal)}`} (${several(refusal.count, "time")}, last at ${clock(refusal.time_s, time)})` : "",
        blocked ? `requests${fromPages(blocked)} get 502 until ${clock(blocked.until_s, time)}, to keep the account from being locked` : "",
      ].filter(Boolean).join("; "));
      setText(rateCell, rate(now.rate));
      setText(p50, latency(now.p50));
      setText(p99, latency(now.p99));
      // A server that was never used has no pool.
      const { connections, idle, max, waiting, max_waiting: most, tunnels } = server.pool ?? UNUSED;
      pool.set(connections, max, server.pool ? `${count(connections)} of ${count(max)}, ${count(idle)} idle${tunnels ? `, ${several(tunnels, "tunnel")}` : ""}` : "none yet");
      queue.set(waiting, most, server.pool ? `${count(waiting)} of ${count(most)}` : "–");
      if (points === null || document.hidden) return;
      requests.set([history.times, points.rate, points.errors]);
      times.set([history.times, points.p50, points.p99]);
    },
    drop() {
      requests.drop();
      times.drop();
    },
  };
}

/** Describe the credentials of requests, those for single origins first. */
function accounts({ credentials, credentials_by_origin: byOrigin }) {
  const own = Object.entries(byOrigin).map(([origin, kind]) => `${kind} for ${origin}`);
  if (!own.length) return credentials ? `credentials: ${credentials}` : "no credentials";
  return `credentials: ${[...own, `${credentials ?? "403"} for all others`].join(", ")}`;
}

function card(first, history) {
  const id = `upstream-${first.number}`;
  const about = el("span", { class: "muted" });
  const login = el("p", { class: "about bad foreign" });
  const running = bar("");
  const body = el("tbody", { role: "rowgroup" });
  const more = el("p", { class: "muted" });
  const views = new Map();
  const columns = [head("Server"), head("State"), head("Requests", "spark"), head("Rate", "number"), head("Latency", "spark"), head("p50", "number"), head("p99", "number"), head("Connections"), head("Waiting")];
  const table = el("table", { role: "table", class: "cards", "aria-labelledby": id }, el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...columns)), body);
  const node = el("div", { class: "upstream" }, el("div", { class: "heading" }, el("h3", { id }, foreign(first.upstream.name)), about, running.node), login, table, more);
  return {
    node,
    update({ upstream, now }) {
      const up = upstream.servers.filter((server) => server.state === "up").length;
      const parts = [`${count(up)} of ${several(upstream.servers.length, "server")} up`];
      parts.push(accounts(upstream));
      setText(about, parts.join(" · "));
      const failure = upstream.login_failure;
      setText(login, failure ? `${failure.words} (${several(failure.count, "time")}, last at ${clock(failure.time_s, now)})` : "");
      show(login, failure !== null);
      const most = upstream.max_requests;
      show(running.node, most !== null);
      if (most !== null) running.set(upstream.running, most, `${count(upstream.running)} of ${several(most, "request")} at the same time`);
      // If not all are shown, servers with a problem come first.
      const servers = upstream.servers.length > SERVERS ? [...upstream.servers].sort((a, b) => (a.state === "up") - (b.state === "up")) : upstream.servers;
      keyed(body, views, servers.slice(0, SERVERS).map((server) => ({ server, now })), (each) => each.server.origin, (each) => row(upstream.name, each.server, history));
      setText(more, servers.length > SERVERS ? `${several(servers.length - SERVERS, "more server")} not shown.` : "");
    },
    drop() {
      for (const view of views.values()) view.drop();
    },
  };
}

/** Return the section of the upstreams. */
export function upstreams() {
  const list = byId("upstreams-list");
  const more = byId("upstreams-more");
  const filter = byId("upstreams-filter");
  const views = new Map();
  const numbers = new Map();
  let most = STEP;
  let again = () => {};
  filter.addEventListener("input", () => { most = STEP; again(); });
  more.addEventListener("click", () => { most += most; again(); });

  function number(name) {
    if (!numbers.has(name)) numbers.set(name, numbers.size);
    return numbers.get(name);
  }

  function draw(status, history) {
    again = () => draw(status, history);
    const now = status.gate.now_s;
    const wanted = filter.value.trim().toLowerCase();
    const sick = (upstream) => upstream.login_failure !== null || upstream.servers.some((server) => server.state !== "up" || server.credentials_refused || server.credentials_blocked);
    const found = status.upstreams.filter((upstream) =>
      !wanted || upstream.name.toLowerCase().includes(wanted) || upstream.servers.some((server) => server.origin.includes(wanted)));
    found.sort((a, b) => sick(b) - sick(a));
    const shown = found.slice(0, most).map((upstream) => ({ upstream, now, number: number(upstream.name) }));
    keyed(list, views, shown, (each) => each.upstream.name, (each) => card(each, history));
    setText(byId("upstreams-count"), wanted ? `${count(found.length)} of ${count(status.upstreams.length)}` : count(status.upstreams.length));
    show(more, found.length > most);
    setText(more, `Show more (${count(found.length - most)} not shown)`);
  }
  return draw;
}
