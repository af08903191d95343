// The configuration in force, listeners, certificates and limits.

import { expiry, remaining } from "./attention.js";
import { bar, byId, el, foreign, redraw, setText, show } from "./dom.js";
import { bytes, clock, count, duration, several } from "./format.js";

function reloadWords(config, now) {
  const last = config.last_reload;
  const counts = config.reloads ? ` (${count(config.reloads.succeeded)} succeeded, ${count(config.reloads.failed)} failed)` : "";
  if (!last) return ["none yet"];
  const ended = last.faults.length ? el("strong", { class: "bad" }, "failed") : "succeeded";
  return [`${[clock(last.time_s, now), last.trigger].filter(Boolean).join(", ")}: `, ended, el("span", { class: "muted" }, counts)];
}

const lines = (texts) => el("ul", {}, ...texts.map((text) => el("li", {}, foreign(text))));

function facts(status) {
  const { config, gate } = status;
  const list = el("dl", {});
  const add = (name, ...value) => list.append(el("dt", {}, name), el("dd", {}, ...value));
  const age = el("span", {});
  add("File", ...(config.file ? [foreign(config.file), el("span", { class: "muted" }, config.watch ? ", watched: changes are loaded at once" : ", not watched")] : ["none: the configuration is from the command line"]));
  add("In force since", age);
  add("Last reload", ...reloadWords(config, gate.now_s));
  const last = config.last_reload;
  if (last?.faults.length) add("Its faults", lines(last.faults));
  if (last?.changes.length) add("Its changes", lines(last.changes));
  add("Warnings", config.warnings.length ? lines(config.warnings) : "none");
  for (const one of status.listeners) {
    add("Listener", foreign(one.addresses.join(", ") || one.endpoint), el("span", { class: "muted" }, ` ${[one.tls ? "TLS" : "no TLS", one.http2 ? "HTTP/2" : "HTTP/1.1"].join(", ")}`));
  }
  for (const one of status.certificates) {
    add("Certificate", foreign(one.names.join(", ") || one.file), " ", el("span", { class: `pill ${expiry(one, gate.now_s)}` }, remaining(one, gate.now_s)), el("span", { class: "muted" }, ` ${one.where}`));
  }
  add("Process", `${gate.pid}, Python ${gate.python}, Twisted ${gate.twisted}`);
  return { list, age };
}

const HITS = {
  memory_cuts: ["connection cut to free memory", "connections cut to free memory"],
  connections_refused: ["connection refused: too many", "connections refused: too many"],
  connections_refused_per_client: ["connection refused: too many from one client", "connections refused: too many from one client"],
  idle_connections_closed: ["idle connection closed to make room", "idle connections closed to make room"],
  descriptors_short: ["time out of file descriptors", "times out of file descriptors"],
  revoked: ["request ended because its client stalled", "requests ended because their clients stalled"],
  log_lines_lost: ["line of the access log lost", "lines of the access log lost"],
};

/** Describe which limits were reached since the start. */
function hitWords(bounds) {
  return Object.entries(HITS).filter(([key]) => bounds[key] > 0).map(([key, words]) => several(bounds[key], ...words));
}

/** Return the section of the configuration. */
export function configuration() {
  const box = byId("configuration-body");
  const facts_ = el("div", {});
  const connections = bar("connections");
  const memory = bar("");
  const hits = el("ul", {});
  box.append(facts_, el("dl", {}, el("dt", {}, "Connections"), el("dd", {}, connections.node), el("dt", {}, "Buffers"), el("dd", {}, memory.node), el("dt", {}, "Limits reached"), el("dd", {}, hits)));
  let age = el("span", {});

  return (status) => {
    const { bounds, config, gate } = status;
    const hour = Math.floor(gate.now_s / 3600);
    redraw(facts_, [config, status.certificates, status.listeners.map((one) => [one.endpoint, one.addresses]), gate.pid, hour], () => {
      const made = facts(status);
      age = made.age;
      return [made.list];
    });
    setText(age, `${clock(config.since_s, gate.now_s)}, ${duration(gate.now_s - config.since_s)} ago`);
    connections.set(bounds.connections, bounds.max_connections, `${count(bounds.connections)} of ${count(bounds.max_connections)}`);
    memory.set(bounds.buffered_bytes, bounds.max_buffered_bytes, `${bytes(bounds.buffered_bytes)} of ${bytes(bounds.max_buffered_bytes)}`);
    redraw(hits, hitWords(bounds), () => hitWords(bounds).map((text) => el("li", {}, text)));
    show(hits.parentNode, hits.childElementCount > 0);
    show(hits.parentNode.previousSibling, hits.childElementCount > 0);
  };
}
