// The routes, the busiest first. Only some are shown until the user wants more.

import { byId, el, foreign, keyed, redraw, setClass, setText, show, block } from "./dom.js";
import { count, latency, percent, rate, several } from "./format.js";
import { spark } from "./plots.js";

const STEP = 10;
const SORT_EVERY_S = 10;
const total = (route) => Object.values(route.requests).reduce((sum, n) => sum + n, 0);
const cell = (label, name, ...children) => el("td", { role: "cell", "data-label": label, class: name }, ...children);

function row(first, history) {
  const key = `route ${first.label}`;
  const requests = spark(`Requests per second to ${first.label} over the last five minutes`, [["--blue", "--blue-fill"], ["--red", "--red-fill"]]);
  const times = spark(`Latency p50 and p99 of ${first.label} over the last five minutes`, [["--teal", null], ["--violet", null]]);
  const about = el("span", { class: "about muted" });
  const [rateCell, errors, p50, p99, flight] = ["Rate", "Errors", "p50", "p99", "In flight"].map((label) => cell(label, "number"));
  const node = el(
    "tr",
    { role: "row" },
    el("th", { role: "rowheader", scope: "row" }, foreign(first.label), about),
    cell("Requests", "spark", requests.node),
    rateCell,
    errors,
    cell("Latency", "spark", times.node),
    p50,
    p99,
    flight,
  );
  return {
    node,
    update(route) {
      const { now, points } = history.track(key);
      setText(about, words(route));
      setText(rateCell, rate(now.rate));
      setText(errors, now.rate ? (now.errors ? percent(now.errors / now.rate) : "0 %") : "–");
      setClass(errors, now.errors > 0 ? "number bad" : "number");
      setText(p50, latency(now.p50));
      setText(p99, latency(now.p99));
      setText(flight, count(route.in_flight));
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

/** Say where a route leads and what has become of its requests. */
function words(route) {
  const parts = [`→ ${route.upstreams.join(", ") || "by URL"}`, several(total(route), "request")];
  const refused = route.verdicts?.refused ?? 0;
  if (refused) parts.push(`${count(refused)} refused`);
  const left = route.requests.client_left ?? 0;
  if (left) parts.push(`${count(left)} left by the client`);
  return parts.join(" · ");
}

/** Return a command for a first request. */
function example(status) {
  const listener = status.listeners.find((each) => each.addresses.length) ?? null;
  const route = status.routes[0];
  if (listener === null || route === undefined) return null;
  const at = listener.addresses[0].replace(/^(0\.0\.0\.0|\[?::\]?)(?=:\d+$)/, "localhost");
  const slash = route.label.indexOf("/");
  const host = route.label.slice(0, slash);
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const fields = host ? ` -H ${quoted(`Host: ${host}`)}` : "";
  const origin = (route.origins ?? []).find((each) => !each.includes("*"));
  const asked = origin ? ` -H ${quoted(`Origin: ${origin}`)}` : "";
  return `curl -i${fields}${asked} ${quoted(`${listener.tls ? "https" : "http"}://${at}${route.label.slice(slash)}`)}`;
}

/** Return the section of the routes. */
export function routes() {
  const body = byId("routes-rows");
  const more = byId("routes-more");
  const filter = byId("routes-filter");
  const views = new Map();
  let most = STEP;
  let order = new Map();
  let sorted = 0;
  let again = () => {};
  filter.addEventListener("input", () => { most = STEP; sorted = 0; again(); });
  more.addEventListener("click", () => { most += most; again(); });

  function draw(status, history) {
    again = () => draw(status, history);
    // The order changes only every few seconds, or nobody could read the rows.
    const young = history.times.length < SORT_EVERY_S;
    if (young || status.gate.now_s - sorted >= SORT_EVERY_S || order.size !== status.routes.length) {
      sorted = status.gate.now_s;
      const activity = (route) => history.track(`route ${route.label}`).now.rate ?? 0;
      const ranked = status.routes.map((route) => [activity(route), total(route), route.label]);
      ranked.sort((a, b) => b[0] - a[0] || b[1] - a[1]);
      order = new Map(ranked.map(([, , label], place) => [label, place]));
    }
    const wanted = filter.value.trim().toLowerCase();
    const found = status.routes.filter((route) =>
      !wanted || route.label.toLowerCase().includes(wanted) || route.upstreams.some((name) => name.toLowerCase().includes(wanted)));
    found.sort((a, b) => order.get(a.label) - order.get(b.label));
    keyed(body, views, found.slice(0, most), (route) => route.label, (route) => row(route, history));
    setText(byId("routes-count"), wanted ? `${count(found.length)} of ${count(status.routes.length)}` : count(status.routes.length));
    show(byId("routes-table"), found.length > 0);
    show(more, found.length > most);
    setText(more, `Show more (${count(found.length - most)} not shown)`);
    const untouched = status.routes.every((route) => total(route) === 0);
    const command = untouched && !wanted ? example(status) : null;
    redraw(byId("routes-empty"), [untouched, command, wanted, found.length], () => {
      if (wanted && !found.length) return [el("p", { class: "empty" }, "No route matches the filter.")];
      if (!untouched || wanted) return [];
      return [el("p", { class: "empty" }, "No requests yet.", command ? " Try:" : ""), ...(command ? [block(command, "Command for a first request")] : [])];
    });
  }
  return draw;
}
