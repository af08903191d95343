// The explain form: the output of `corsgate explain` with the configuration in force.

import { block, byId, el, foreign, nearMiss, say } from "./dom.js";

const field = (name) => byId(`explain-${name}`);
const MARKS = { pass: "ok", fail: "fails", note: "note" };

function headersText(pairs) {
  return pairs.map(([name, value]) => `${name}: ${value}`).join("\n");
}

function steps(answer) {
  let exchange = 0;
  const items = answer.steps.map((step) => {
    const parts = [
      el("span", { class: `pill ${step.verdict === "fail" ? "bad" : step.verdict === "pass" ? "good" : ""}` }, MARKS[step.verdict] ?? step.verdict),
      el("strong", {}, ` ${step.title}`),
      ": ",
      foreign(step.input),
      el("code", { class: "muted rule" }, step.rule),
      el("p", { class: "muted" }, foreign(step.why)),
    ];
    if (step.rule === "#http-network-or-cache-fetch" && answer.exchanges[exchange]) {
      const { method, url, request_headers: sent, status, response_headers: got } = answer.exchanges[exchange];
      exchange += 1;
      const text = [`${method} ${url}`, headersText(sent), "", String(status), headersText(got)].join("\n");
      parts.push(el("pre", { tabindex: "0", role: "group", "aria-label": `Request and response ${exchange}` }, text.trimEnd()));
    }
    return el("li", {}, ...parts);
  });
  return el("details", { open: !answer.allowed }, el("summary", {}, `What the browser does, in ${items.length} steps`), el("ol", { class: "plain steps" }, ...items));
}

function result(answer) {
  const parts = [
    el("h3", {}, el("span", { class: answer.allowed ? "pill good" : "pill bad" }, answer.allowed ? "Allowed" : "Blocked"), " ", foreign(`${answer.method} ${answer.url} from ${answer.origin}`)),
  ];
  if (answer.route) parts.push(el("p", { class: "muted" }, "Route ", foreign(answer.route), ", ", foreign(answer.policy ?? (answer.file ? "no CORS policy" : "policy of the command line"))));
  if (answer.seen) parts.push(el("p", {}, foreign(answer.seen)));
  if (answer.reason) parts.push(el("p", {}, el("strong", {}, "Reason: "), foreign(answer.reason)));
  for (const miss of answer.near_misses) parts.push(nearMiss(miss));
  if (answer.toml && !answer.option) parts.push(el("p", {}, `To allow it, write${answer.file ? " in " : ""}`, answer.file ? el("code", {}, foreign(answer.file)) : "", ":"), block(answer.toml.trimEnd(), "TOML that allows the call"));
  if (answer.option) parts.push(el("p", {}, "To allow it, start the gate with:"), block(answer.option, "Option that allows the call"));
  for (const line of answer.advice) parts.push(el("p", {}, "Note: ", foreign(line)));
  for (const one of answer.cookies) parts.push(el("p", { class: "muted" }, "Cookie ", foreign(one.cookie), `: ${one.browser} ${one.kept ? "keeps" : "drops"} it: `, foreign(one.why)));
  parts.push(steps(answer));
  return parts;
}

async function ask(call) {
  const response = await fetch("api/explain", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(call),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}

/** Return a function that puts a refused call into the form and explains it. */
export function explainForm() {
  const form = byId("explain-form");
  const box = byId("explain-result");
  let base = "";
  let number = 0;

  async function submit() {
    const mine = (number += 1);
    const url = field("url").value.trim();
    const call = {
      origin: field("origin").value.trim(),
      method: field("method").value.trim() || "GET",
      url: url.startsWith("/") ? base + url : url,
      headers: field("headers").value.split("\n").map((line) => line.trim()).filter(Boolean),
      credentials: field("credentials").checked,
    };
    box.setAttribute("aria-busy", "true");
    let parts;
    try {
      const answer = await ask(call);
      parts = result(answer);
      say(answer.verdict);
    } catch (error) {
      const text = error instanceof TypeError ? "The gate can't be reached." : error.message;
      parts = [el("p", { class: "bad", role: "alert" }, foreign(text))];
    }
    if (mine !== number) return; // A later call was submitted.
    box.removeAttribute("aria-busy");
    box.hidden = false;
    box.replaceChildren(...parts);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });

  return {
    /** Store the gate's address, to complete URLs that are only a path. */
    learn(status) {
      const listener = status.listeners.find((each) => each.addresses.length);
      if (listener === undefined) return;
      const at = listener.addresses[0].replace(/^(0\.0\.0\.0|127\.0\.0\.1|\[::1?\]|::1?)(?=:\d+$)/, "localhost");
      base = `${listener.tls ? "https" : "http"}://${at}`;
      if (!field("url").placeholder) field("url").placeholder = `${base}/v1/documents`;
    },
    /** Put a refused call into the form and explain it. */
    fill(refusal) {
      const preflight = Boolean(refusal.asked_method);
      field("origin").value = refusal.origin;
      field("method").value = preflight ? refusal.asked_method : refusal.method;
      field("url").value = refusal.url ?? refusal.path ?? "";
      field("headers").value = (refusal.asked_headers ?? "").split(",").map((name) => name.trim()).filter(Boolean).join("\n");
      field("credentials").checked = Boolean(refusal.credentials);
      location.hash = "explain";
      field("origin").focus();
      submit();
    },
  };
}
