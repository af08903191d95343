// The last refused CORS calls, each with its reason and what would allow it. Values from clients are
// inserted as text, never as markup.

import { block, byId, el, foreign, isLookAlike, keyed, nearMiss, setText, show } from "./dom.js";
import { clock, count, duration } from "./format.js";

const STEP = 5;
const keyOf = (one) => JSON.stringify([one.route, one.origin, one.method, one.path, one.reason, one.asked_method, one.asked_headers]);

function item(first, fill) {
  const when = el("span", { class: "muted when" });
  const body = el("div", {});
  const asked = [first.asked_method, first.asked_headers && `headers: ${first.asked_headers}`].filter(Boolean).join(", ");
  const button = el("button", { type: "button", click: () => fill(first) }, "Explain");
  const node = el(
    "li",
    { class: "panel refusal" },
    el("div", { class: "what" }, el("strong", {}, foreign(`${first.method} ${first.path ?? ""}`)), " from ", foreign(first.origin), asked ? el("span", { class: "muted" }, " asks for ", foreign(asked)) : null, when),
    el("p", {}, foreign(first.reason)),
    body,
    el("div", { class: "actions" }, button, el("span", { class: "muted" }, "Route ", foreign(first.route))),
  );
  let shown = "";
  return {
    node,
    update({ refusal, now }) {
      const times = refusal.count > 1 ? `${count(refusal.count)} times, last at ` : "";
      setText(when, `${times}${clock(refusal.time_s, now)}, ${duration(now - refusal.time_s)} ago`);
      const advice = refusal.advice ?? [];
      const text = JSON.stringify([refusal.near_miss, refusal.toml, refusal.option, advice]);
      if (text === shown) return;
      shown = text;
      const parts = [];
      if (refusal.near_miss) parts.push(nearMiss(refusal.near_miss));
      const what = isLookAlike(refusal.near_miss ?? "") ? "To also allow this other origin" : "To allow it";
      if (refusal.toml) parts.push(el("p", { class: "muted" }, `${what}, write:`), block(refusal.toml.trimEnd(), "TOML that allows this call"));
      if (refusal.option) parts.push(el("p", { class: "muted" }, `${what}, start the gate with:`), block(refusal.option, "Option that allows this call"));
      for (const line of advice) parts.push(el("p", { class: "muted" }, "Note: ", foreign(line)));
      body.replaceChildren(...parts);
    },
  };
}

/** Return the section of the refused calls. @param fill Puts a call into the explain form. */
export function refused(fill) {
  const views = new Map();
  const more = byId("refused-more");
  let most = STEP;
  let again = () => {};
  more.addEventListener("click", () => { most += most; again(); });

  function draw(status) {
    again = () => draw(status);
    const all = status.refusals;
    const now = status.gate.now_s;
    const shown = all.slice(0, most).map((refusal) => ({ refusal, now }));
    keyed(byId("refused-list"), views, shown, (each) => keyOf(each.refusal), (each) => item(each.refusal, fill));
    show(byId("refused-empty"), all.length === 0);
    show(byId("refused-hint"), all.length > 0);
    setText(byId("refused-count"), all.length ? `the last ${count(all.length)}` : "");
    show(more, all.length > most);
    setText(more, `Show more (${count(all.length - most)} not shown)`);
  }
  return draw;
}
