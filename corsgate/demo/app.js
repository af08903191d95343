// The page's script. It calls the box directly, then through the gate, and shows the results.

const PATIENCE_MS = 15000;

const config = await (await fetch("config.json")).json();
const boxUrl = config.box + config.target;
const gateUrl = config.gate + config.target;

const byId = (id) => document.getElementById(id);
const part = (card, name) => card.querySelector(`[data-part=${name}]`);
const howSavingWorks = part(byId("change"), "why").textContent;

// Make a call and return what a script can see of it: a response, or only a TypeError.
async function call(method, url, body) {
  const sent = { method, url, body };
  const options = { method, mode: "cors", credentials: "omit", cache: "no-store" };
  if (body !== undefined) {
    options.body = body;
    options.headers = { "Content-Type": "application/json" };
  }
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    return { ...sent, response, text: await response.text() };
  } catch (error) {
    return { ...sent, error };
  }
}

// Return whether a server responds, which distinguishes a refusal from a server that is not running.
// In mode "no-cors" a browser sends the request, but hides the whole response.
async function responds(url) {
  const options = { method: "HEAD", mode: "no-cors", credentials: "omit", cache: "no-store" };
  try {
    await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
    return true;
  } catch {
    return false;
  }
}

const statusLine = (response) => `${response.status} ${response.statusText}`.trim();

// Return rows of name and value; values are text, never markup.
function rows(exchange) {
  const list = [[exchange.method, exchange.url, "request"]];
  if (exchange.error) {
    list.push(["Status", "hidden from the page", "hidden"]);
    list.push(["Headers", "hidden from the page", "hidden"]);
    list.push(["Script sees", `${exchange.error.name}: ${exchange.error.message}`]);
    return list;
  }
  list.push(["Status", statusLine(exchange.response)]);
  for (const [name, value] of exchange.response.headers) {
    list.push([name, value]);
  }
  return list;
}

function showExchanges(card, exchanges) {
  const items = exchanges.flatMap((exchange) =>
    rows(exchange).map(([name, value, kind]) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      row.className = kind ?? "";
      term.textContent = name;
      detail.textContent = value;
      row.append(term, detail);
      return row;
    }),
  );
  part(card, "exchange").replaceChildren(...items);
}

function showDocument(card, text, isEmpty) {
  part(card, "document").textContent = text;
  part(card, "document").classList.toggle("empty", isEmpty);
}

function conclude(card, state, badge, verdict, why) {
  card.dataset.state = state;
  card.setAttribute("aria-busy", "false");
  part(card, "badge").textContent = badge;
  part(card, "verdict").textContent = verdict;
  if (why) {
    part(card, "why").textContent = why;
  }
}

// Return the browser's message for a response without CORS headers. Scripts can't read the console,
// so the message is repeated here, in the wording of Firefox or Chromium.
function consoleMessage(url) {
  if (navigator.userAgent.includes("Firefox/")) {
    return (
      "Cross-Origin Request Blocked: The Same Origin Policy disallows reading the remote resource at " +
      `\u2018${url}\u2019. (Reason: CORS header \u2018Access-Control-Allow-Origin\u2019 missing).`
    );
  }
  return (
    `Access to fetch at '${url}' from origin '${location.origin}' has been blocked by CORS policy: ` +
    "No 'Access-Control-Allow-Origin' header is present on the requested resource."
  );
}

// Show the console's message for a refused call, and the command that explains it. The messages of
// Firefox don't contain the page's origin, so the command does. A call to the box does not depend on
// the gate's configuration.
function offerExplanation(url) {
  const message = consoleMessage(url);
  const words = [config.explain];
  if (url === gateUrl) {
    words.push(config.config);
  }
  if (!message.includes(location.origin)) {
    words.push(`--origin ${location.origin}`);
  }
  byId("message").textContent = message;
  byId("command").textContent = `${words.join(" ")} --error "${message}"`;
  byId("ask").hidden = false;
}

async function copyCommand() {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(byId("command"));
    byId("copy").textContent = "Press Ctrl+C";
  }
}

async function tryDirectly() {
  const card = byId("direct");
  const exchange = await call("GET", boxUrl);
  showExchanges(card, [exchange]);
  showDocument(card, exchange.text ?? "Nothing.", !exchange.text);
  let word = "refused by the browser";
  if (exchange.response) {
    word = "allowed";
    const verdict = "The browser let the page read the box's response, which should not happen.";
    conclude(card, "odd", statusLine(exchange.response), verdict, "");
  } else if (await responds(boxUrl)) {
    conclude(
      card,
      "refused",
      "Refused",
      "The browser refused: the box sends no Access-Control-Allow-Origin.",
      "The box responded, but without that header the browser hides the whole response from the " +
        "script. The script only gets a TypeError, without a reason.",
    );
    // On a page of another origin, the gate also refuses. Its refusal is more interesting.
    if (byId("ask").hidden) {
      offerExplanation(boxUrl);
    }
  } else {
    word = "no response";
    conclude(card, "odd", "No response", "The box does not respond. Is it running?", "");
  }
  byId("bypass").dataset.state = exchange.response ? "odd" : "refused";
  byId("bypass-word").textContent = word;
}

// Show why the script can't read the response to a call through the gate.
async function explainSilence(card) {
  if (await responds(gateUrl)) {
    conclude(
      card,
      "refused",
      "Refused",
      `The gate does not allow this origin, ${location.origin}.`,
      "The gate allows only the origins in its configuration. It refused the request itself, so " +
        "the box never received it.",
    );
    offerExplanation(gateUrl);
    byId("hint").textContent =
      "Save is disabled, because the gate does not let a page of this origin read the document.";
  } else {
    conclude(card, "odd", "No response", "The gate does not respond. Is it running?", "");
    byId("hint").textContent =
      "Save is disabled, because the gate does not respond. Start the demo again, then reload this page.";
  }
}

function markPath(state) {
  byId("arrow-gate").dataset.state = state;
  byId("arrow-box").dataset.state = state === "good" ? "good" : "waiting";
}

async function tryThroughGate() {
  const card = byId("gated");
  const exchange = await call("GET", gateUrl);
  showExchanges(card, [exchange]);
  showDocument(card, exchange.text ?? "Nothing.", !exchange.text);
  markPath(exchange.response?.ok ? "good" : "refused");
  if (!exchange.response) {
    await explainSilence(card);
    return;
  }
  const ok = exchange.response.ok;
  conclude(
    card,
    ok ? "good" : "odd",
    statusLine(exchange.response),
    ok
      ? "The page can read the document: the gate sends the header that the box does not."
      : "The box refused the request.",
    "The gate signed the request with the box's password, which this page never gets. It added " +
      "the CORS headers that let this origin read the response.",
  );
  if (ok) {
    byId("text").value = exchange.text;
    showDocument(byId("change"), "Save, and the page reads it again.", true);
  }
  byId("text").disabled = byId("save").disabled = !ok;
  byId("hint").hidden = ok;
  if (!ok) {
    byId("hint").textContent = "Save is disabled, because the box refused to send the document.";
  }
}

async function save() {
  const card = byId("change");
  byId("save").disabled = true;
  card.setAttribute("aria-busy", "true");
  part(card, "badge").textContent = "Saving";
  const written = await call("PUT", gateUrl, byId("text").value);
  const exchanges = [written];
  if (written.response?.ok) {
    exchanges.push(await call("GET", gateUrl));
  }
  showExchanges(card, exchanges);
  showSaved(card, written, exchanges[1]);
  if (!written.response) {
    await explainSilence(card);
  }
  byId("save").disabled = false;
}

function showSaved(card, written, read) {
  if (read?.response?.ok) {
    showDocument(card, read.text, false);
    const verdict = "The box accepted the change, and now returns this.";
    conclude(card, "good", "Saved", verdict, howSavingWorks);
    return;
  }
  showDocument(card, "It was not saved, so it was not read again.", true);
  if (written.response) {
    conclude(
      card,
      "odd",
      statusLine(written.response),
      reason(written.text) ?? "The box did not accept the change.",
      "This is the box's response. The gate also adds CORS headers to errors, so that the page can " +
        "read them.",
    );
  }
}

// Return the box's own message for a refusal, if there is one.
function reason(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return undefined;
  }
}

function introduce() {
  const addresses = { page: location.origin, gate: config.gate, box: config.box };
  for (const element of document.querySelectorAll("[data-address]")) {
    element.textContent = addresses[element.dataset.address];
  }
  const elsewhere = new URL(location.href);
  const known = location.hostname === "localhost";
  elsewhere.hostname = known ? "127.0.0.1" : "localhost";
  byId("elsewhere").textContent = known
    ? "Other origins are refused. See how the gate refuses the same page at"
    : "The gate does not allow this origin. It allows the page at";
  byId("stranger").href = elsewhere.origin;
  byId("stranger").textContent = elsewhere.origin;
}

introduce();
byId("editor").addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});
byId("copy").addEventListener("click", copyCommand);
byId("again").addEventListener("click", () => location.reload());
tryDirectly();
tryThroughGate();
