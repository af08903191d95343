// The problems in a status object that need attention.

import { el, foreign, redraw, say } from "./dom.js";
import { clock, day, duration, fromPages, several } from "./format.js";

const MOST = 8;
const DAY_S = 86400;

/** Return the severity of a certificate's expiry: "bad", "warn" or "". */
export function expiry(certificate, now) {
  const left = certificate.not_after_s - now;
  return left < 7 * DAY_S ? "bad" : left < 30 * DAY_S ? "warn" : "";
}

/** Describe when a certificate expires. */
export function remaining(certificate, now) {
  const left = certificate.not_after_s - now;
  return left <= 0 ? `expired on ${day(certificate.not_after_s)}` : `expires on ${day(certificate.not_after_s)}, in ${duration(left)}`;
}

function* findings(status) {
  const now = status.gate.now_s;
  const { last_reload: reload, warnings } = status.config;
  if (status.gate.state === "draining") {
    yield ["warn", "#overview", ["The gate is draining: it accepts no new connections and stops when the current ones end."]];
  }
  if (reload?.faults.length) {
    yield ["bad", "#configuration", [
      `The reload at ${clock(reload.time_s, now)} failed, so the old configuration stays in force: `,
      foreign(reload.faults[0]),
      reload.faults.length > 1 ? ` (and ${several(reload.faults.length - 1, "more fault", "more faults")})` : "",
    ]];
  }
  for (const upstream of status.upstreams) {
    const usable = upstream.servers.filter((server) => server.state === "up" || server.state === "half_open");
    if (upstream.servers.length && !usable.length) {
      yield ["bad", "#upstreams", ["No server of upstream ", foreign(upstream.name), " can be used."]];
    }
  }
  for (const upstream of status.upstreams) {
    if (upstream.login_failure) {
      yield ["bad", "#upstreams", ["Upstream ", foreign(upstream.name), ": ", foreign(upstream.login_failure.words)]];
    }
    for (const server of upstream.servers) {
      // A 403 is often about a single resource, so it is only shown in the server's row.
      const refused = server.credentials_refused?.status === 401 ? foreign(server.credentials_refused.words) : null;
      if (server.credentials_blocked) {
        const from = fromPages(server.credentials_blocked);
        yield ["bad", "#upstreams", [
          "Upstream ", foreign(upstream.name), ": ",
          ...(refused ? [refused] : [foreign(server.origin), " rejected the gate's credentials repeatedly"]),
          from && ", for requests", foreign(from),
          ". Requests get 502 for up to 5 minutes at a time, until the secret is corrected.",
        ]];
      } else if (refused) {
        yield ["bad", "#upstreams", ["Upstream ", foreign(upstream.name), ": ", refused]];
      }
      if (server.state === "down" || server.state === "ejected") {
        yield ["warn", "#upstreams", [foreign(server.origin), ` is ${server.state}`, server.reason ? ": " : "", server.reason ? foreign(server.reason) : ""]];
      }
    }
  }
  for (const certificate of status.certificates) {
    const level = expiry(certificate, now);
    if (level) yield [level, "#configuration", ["The certificate of ", foreign(certificate.names.join(", ") || certificate.where), ` ${remaining(certificate, now)}.`]];
  }
  const { connections, max_connections: most } = status.bounds;
  if (most && connections >= 0.9 * most) yield ["warn", "#configuration", ["The gate is close to its maximum number of connections."]];
  if (warnings.length) {
    yield ["warn", "#configuration", [`${several(warnings.length, "warning")} about the configuration.`]];
  }
}

let before = null;

/** Show the problems that need attention. */
export function drawAttention(box, status) {
  const found = [...findings(status)];
  const words = found.map(([level, , parts]) => [level, parts.map((part) => part.textContent ?? part).join("")]);
  redraw(box, words.map((each) => each.join(" ")), () => {
    if (!found.length) return [el("p", { class: "calm" }, "Nothing needs attention.")];
    const items = found.slice(0, MOST).map(([level, href, parts]) =>
      el("li", { class: level }, el("span", { class: "mark", "aria-hidden": "true" }), el("span", {}, ...parts), " ", el("a", { href, "aria-label": `Show ${href.slice(1)}` }, "Show")));
    if (found.length > MOST) items.push(el("li", {}, `And ${several(found.length - MOST, "more")}.`.replace("mores", "more")));
    return [el("h3", {}, "Needs attention"), el("ul", { class: "attention" }, ...items)];
  });
  // Only new and serious problems are announced.
  const bad = words.filter(([level]) => level === "bad").map(([, text]) => text);
  if (before !== null) {
    const fresh = bad.filter((text) => !before.includes(text));
    if (fresh.length) say(fresh[0]);
  }
  before = bad;
}
