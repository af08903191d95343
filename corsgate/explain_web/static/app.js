// The explainer's page. Text is inserted only as text, so pasted text can't become markup.

const MAX_HAR_LENGTH = 10_000_000; // MAX_HAR_LENGTH of form.py
const FIELDS = ["paste", "origin", "method", "url", "headers", "response", "toml"];
const VERDICTS = { blocked: "Blocked", allowed: "Allowed", unknown: "Not known yet", failed: "Failed, but not because of CORS" };
const MARKS = { pass: "passes", fail: "fails", note: "step" };
const FETCH = "https://fetch.spec.whatwg.org/";

const EXAMPLES = {
  message: {
    paste: "Access to fetch at 'http://localhost:8000/v1/documents' from origin 'http://localhost:4200' has been blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present on the requested resource.",
  },
  preflight: {
    paste: "Access to fetch at 'https://api.example/v1/orders' from origin 'https://app.example' has been blocked by CORS policy: Request header field content-type is not allowed by Access-Control-Allow-Headers in preflight response.",
    method: "PUT",
  },
  curl: {
    paste: "curl 'https://api.example/v1/orders' -X PUT \\\n  -H 'Origin: https://app.example' \\\n  -H 'Content-Type: application/json' \\\n  --data-raw '{\"count\": 2}'",
    response: "HTTP/1.1 204 No Content\nServer: nginx/1.26\nAccess-Control-Allow-Origin: https://app.example/\nAccess-Control-Allow-Methods: PUT",
  },
};

const byId = (id) => document.getElementById(id);
const form = byId("form");
const result = byId("result");

/** Return a new element; null children and attributes are left out. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Return an element for text from outside, which may have any length and direction. */
const foreign = (text) => el("bdi", { class: "foreign" }, String(text));

/** Announce a change to users of a screen reader. */
function say(text) {
  byId("said").textContent = text;
}

/** A block of text with a button that copies it. */
function block(text, label) {
  const code = el("pre", { tabindex: "0", role: "group", "aria-label": label }, text);
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${label}` }, "Copy");
  button.addEventListener("click", async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = "Selected: press Ctrl+C";
    }
    button.textContent = done;
    say(done);
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return el("div", { class: "block" }, code, button);
}

// The explanation.

function steps(list) {
  return el("ol", { class: "steps panel" }, ...list.map((step) => el("li", {},
    el("span", { class: `tag ${step.verdict}` }, MARKS[step.verdict] ?? step.verdict),
    el("div", {},
      el("strong", {}, `${step.title[0].toUpperCase()}${step.title.slice(1)}`),
      step.rule ? el("span", {}, " ", el("a", { href: FETCH + step.rule, rel: "noreferrer", target: "_blank", "aria-label": `${step.rule} in the Fetch standard` }, "standard")) : null,
      el("p", {}, foreign(step.why)),
      step.seen ? el("p", { class: "seen" }, foreign(step.seen)) : null,
    ),
  )));
}

function nearMisses(list) {
  return list.map((text) => el("p", {}, el("span", { class: "tag near" }, "Near miss"), " ", foreign(text)));
}

function section(title, ...children) {
  return [el("h3", {}, title), ...children];
}

function headersText(pairs) {
  return pairs.map(([name, value]) => `${name}: ${value}`).join("\n");
}

function verdictPanel(found) {
  const call = found.call;
  const withCredentials = call?.credentials ? ", with credentials" : "";
  return el("div", { class: `verdict ${found.verdict}` },
    el("h2", { id: "verdict" }, VERDICTS[found.verdict]),
    call ? el("p", { class: "call" }, foreign(`${call.method} ${call.url} from ${call.origin}${withCredentials}`)) : null,
    el("p", {}, foreign(found.reason)),
  );
}

function callList(found) {
  return section(`${found.calls.length} calls in this file`, el("ul", { class: "calls" }, ...found.calls.map((each) =>
    el("li", {}, el("button", { type: "button", "aria-current": each.number === found.chosen ? "true" : null, click: () => explain(each.number) },
      el("span", { class: `tag ${each.verdict}` }, each.verdict), foreign(each.label))))));
}

function gatePart(gate) {
  if (gate.faults) return section("Your corsgate.toml has faults", block(gate.faults.join("\n"), "the faults"));
  if (gate.problem) return section("Your corsgate.toml", el("p", { class: "note" }, foreign(gate.problem)));
  const title = gate.verdict === "allowed" ? "Your corsgate.toml allows this call" : "Your corsgate.toml blocks this call";
  const opens = gate.verdict === "blocked";
  return section(title,
    gate.route ? el("p", { class: "muted" }, foreign(`Route ${gate.route}, ${gate.policy || "no CORS policy"}`)) : null,
    gate.reason ? el("p", {}, foreign(gate.reason)) : null,
    ...nearMisses(gate.near_misses),
    gate.toml ? el("p", {}, "To allow it, write:") : null,
    gate.toml ? block(gate.toml.trimEnd(), "the change to corsgate.toml") : null,
    ...gate.advice.map((text) => el("p", { class: "note" }, foreign(text))),
    el("details", { open: opens }, el("summary", {}, "Step by step"), steps(gate.steps)),
  ).filter((node) => node !== null);
}

function fixList(found) {
  return section("The fix for your server", el("div", { class: "fixes panel" }, ...found.fixes.map((fix, number) => {
    const likely = fix.likely ? el("span", { class: "muted" }, " – the response names it") : null;
    const opens = fix.likely || (number === 0 && !found.fixes.some((each) => each.likely));
    return el("details", { class: "fix", open: opens },
      el("summary", {}, fix.name, likely),
      el("p", { class: "muted" }, fix.note),
      block(fix.text, `the fix for ${fix.name}`));
  })));
}

function exchangeList(found) {
  return el("details", {}, el("summary", {}, "Recorded requests and responses"),
    ...found.exchanges.map((each) => block(
      `> ${each.method} ${each.url}\n${headersText(each.request)}\n\n< ${each.status}\n${headersText(each.response)}`,
      `${each.method} with its response`)));
}

function show(found) {
  const parts = [
    ...(found.calls.length ? callList(found) : []),
    verdictPanel(found),
    ...found.notes.map((text) => el("p", { class: "note" }, foreign(text))),
    found.fix ? el("p", {}, foreign(found.fix)) : null,
    found.gate_toml ? block(found.gate_toml, "the keys for the policy") : null,
    ...nearMisses(found.near_misses),
    ...(found.enough.length ? section("What the server must send", el("p", { class: "muted" }, "The response to the call, and to its preflight if it has one, must have:"), block(headersText(found.enough), "the headers")) : []),
    ...(found.gate ? gatePart(found.gate) : []),
    ...(found.steps.length ? section("Step by step", steps(found.steps)) : []),
    ...(found.fixes.length ? fixList(found) : []),
    found.exchanges.length ? exchangeList(found) : null,
  ];
  result.replaceChildren(...parts.filter((part) => part !== null));
  result.hidden = false;
  if (found.asks) byId("call-details").open = true;
  result.focus({ preventScroll: true });
  result.scrollIntoView({ block: "start" });
  say(`${VERDICTS[found.verdict]}. ${found.reason}`);
}

// The form.

function complain(field, text) {
  const known = FIELDS.includes(field) ? field : "form";
  const error = byId(`${known}-error`);
  error.textContent = text;
  error.hidden = false;
  result.hidden = true;
  say(text);
  if (known === "form") return;
  const input = byId(known);
  input.setAttribute("aria-invalid", "true");
  const details = input.closest("details");
  if (details) details.open = true;
  input.focus();
}

function clearErrors() {
  for (const error of form.querySelectorAll(".error")) error.hidden = true;
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

// A large text is not shown: a text area takes minutes to lay out a line of several megabytes.
const MAX_SHOWN_LENGTH = 200_000;
let aside = null;

function setAside(name, text) {
  aside = text;
  byId("aside").hidden = text === null;
  byId("aside-name").textContent = text === null ? "" : `${name} (${(text.length / 1e6).toFixed(1)} MB)`;
}

/** Store a pasted or opened text; return whether it can be read. */
function take(name, text) {
  clearErrors();
  if (text.length > MAX_HAR_LENGTH) {
    complain("paste", tooLarge(text.length));
    return false;
  }
  const isLarge = text.length > MAX_SHOWN_LENGTH;
  byId("paste").value = isLarge ? "" : text;
  setAside(name, isLarge ? text : null);
  return true;
}

let asked = 0;

/** Request an explanation. For a HAR file, `chosen` is the number of a call, or -1 for the first blocked one. */
async function explain(chosen = -1) {
  const mine = ++asked;
  clearErrors();
  const filled = { credentials: byId("credentials").checked, chosen };
  for (const name of FIELDS) filled[name] = byId(name).value;
  filled.paste = aside ?? filled.paste;
  byId("explain").setAttribute("aria-busy", "true");
  try {
    const response = await fetch("explain", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(filled),
    });
    const found = await response.json();
    if (mine !== asked) return;
    if (found.ok) show(found);
    else complain(found.field, found.error);
  } catch {
    if (mine === asked) complain("", "The explainer does not respond. Is “corsgate explain --web” still running?");
  } finally {
    if (mine === asked) byId("explain").removeAttribute("aria-busy");
  }
}

function tooLarge(length) {
  const size = Math.round(length / 1e6);
  return `This has ${size} MB. The limit is ${MAX_HAR_LENGTH / 1e6} MB. Filter the network panel to the blocked call and save that, or paste the message of the console.`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  explain();
});

form.addEventListener("reset", () => {
  clearErrors();
  asked += 1;
  setAside("", null);
  result.hidden = true;
  result.replaceChildren();
  byId("paste").focus();
});

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    explain();
  }
});

byId("file").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  clearErrors();
  if (file.size > MAX_HAR_LENGTH) {
    complain("paste", tooLarge(file.size));
    return;
  }
  if (take(file.name, await file.text())) explain();
});

byId("paste").addEventListener("paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (text.length <= MAX_SHOWN_LENGTH) return;
  event.preventDefault();
  take("Pasted", text);
});
byId("paste").addEventListener("input", () => setAside("", null));
byId("aside-remove").addEventListener("click", () => {
  setAside("", null);
  byId("paste").focus();
});

for (const button of form.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => {
    form.reset();
    const example = EXAMPLES[button.dataset.example];
    for (const [name, value] of Object.entries(example)) byId(name).value = value;
    byId("call-details").open = Object.keys(example).length > 1;
    explain();
  });
}
