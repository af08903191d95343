// The gate at a glance.

import { drawAttention } from "./attention.js";
import { byId, el, setClass, setText } from "./dom.js";
import { clock, count, duration, latency, rate } from "./format.js";
import { largePlot } from "./plots.js";

/** Return the overview, which is updated with each status object. */
export function overview() {
  const figures = ["Requests", "Errors", "Latency p50", "Latency p99", "In flight", "Connections", "Running for"].map((label) => {
    const value = el("span", { class: "figure" }, "–");
    byId("figures").append(el("li", { class: "panel" }, el("span", { class: "muted" }, label), value));
    return value;
  });
  const requests = largePlot("Requests", [["all", "--blue", "--blue-fill"], ["5xx", "--red", "--red-fill"]], rate);
  const times = largePlot("Latency", [["p50", "--teal", null], ["p99", "--violet", null]], latency);
  const load = largePlot("Load", [["in flight", "--blue", "--blue-fill"], ["connections", "--grey", null]], (n) => (n === null || n === undefined ? "–" : Number.isInteger(n) ? count(n) : ""), 4);
  byId("plots").append(requests.node, times.node, load.node);

  return (status, history) => {
    const { gate } = status;
    setText(byId("state"), gate.state === "draining" ? "Draining" : "Serving");
    setClass(byId("state"), gate.state === "draining" ? "pill warn" : "pill good");
    setText(byId("version"), `${gate.version} since ${clock(gate.started_s, gate.now_s)}`);
    const all = history.track("all");
    const { now } = all;
    const texts = [
      rate(now.rate),
      rate(now.errors),
      latency(now.p50),
      latency(now.p99),
      count(history.inFlight.at(-1)),
      count(status.bounds.connections ?? 0),
      duration(gate.now_s - gate.started_s),
    ];
    texts.forEach((text, i) => setText(figures[i], text));
    setClass(figures[1], now.errors > 0 ? "figure bad" : "figure");
    drawAttention(byId("attention"), status);
    if (document.hidden) return;
    const fill = (value) => new Array(history.times.length).fill(value);
    const points = all.points ?? { rate: fill(0), errors: fill(0), p50: fill(null), p99: fill(null) };
    requests.set([history.times, points.rate, points.errors]);
    times.set([history.times, points.p50, points.p99]);
    load.set([history.times, history.inFlight, history.connections]);
  };
}
