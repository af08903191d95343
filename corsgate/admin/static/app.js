// The status page: receives a status object each second and passes it to each section.

import { configuration } from "./configuration.js";
import { byId, say, setClass, setText, show } from "./dom.js";
import { explainForm } from "./explain.js";
import { clock } from "./format.js";
import { History } from "./history.js";
import { overview } from "./overview.js";
import { refused } from "./refused.js";
import { routes } from "./routes.js";
import { watch } from "./stream.js";
import { upstreams } from "./upstreams.js";

const history = new History();
const form = explainForm();
const sections = [overview(), routes(), upstreams(), refused(form.fill), configuration()];
let shownState = "";
let known = [];

/** Complete a status that contains only the changed routes. */
function complete(status) {
  if (status.partial) {
    const changed = new Map(status.routes.map((route) => [route.label, route]));
    status.routes = known.map((route) => changed.get(route.label) ?? route);
  }
  known = status.routes;
}

function draw(status) {
  complete(status);
  history.add(status);
  form.learn(status);
  for (const section of sections) section(status, history);
  const loss = status.gate.state === "draining" ? "draining – " : "";
  document.title = `${loss}${byId("figures").querySelector(".figure").textContent} – corsgate status`;
}

function state(now, lastMs) {
  if (now === shownState) return;
  const first = shownState === "";
  shownState = now;
  const lost = now === "lost";
  document.documentElement.classList.toggle("stale", lost);
  const banner = byId("banner");
  setClass(banner, lost ? "banner bad" : "banner");
  show(banner, now !== "live");
  if (lost) {
    setText(banner, `The connection to the gate was lost at ${clock(lastMs / 1000)}. The values below are old. Reconnecting.`);
    setText(byId("state"), "Lost");
    setClass(byId("state"), "pill bad");
    document.title = "lost – corsgate status";
  } else if (now === "polled") {
    setText(banner, "Too many pages watch this gate, so this one is updated only every five seconds.");
  } else {
    setText(banner, "");
  }
  if (!first) say(banner.textContent || "The connection to the gate is restored.");
}

watch(draw, state);
