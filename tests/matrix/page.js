"use strict";

const work = JSON.parse(document.getElementById("work").textContent);

// Longer than any answer takes: a call that is not settled by then is seen as hung.
const PATIENCE_MS = 10_000;

// Of the headers that a script may read, those that tell policies apart.
const WATCHED = ["etag", "www-authenticate", "x-hidden", "x-total"];

const url = (path, name) => `${work.gate}${path}?case=${encodeURIComponent(name)}`;
const short = (text) => (text.length > 40 ? "(long)" : text);

const calls = {
  async fetch(target, options) {
    const { before = [], ...init } = options;
    for (const earlier of before) await (await fetch(target, earlier)).text();
    const response = await fetch(target, init);
    return {
      type: response.type,
      status: response.status,
      redirected: response.redirected,
      headers: WATCHED.filter((name) => response.headers.has(name)),
      body: short(await response.text()),
    };
  },

  xhr(target, { method = "GET", headers = {}, body, credentials = false, upload = false }) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, target);
      request.withCredentials = credentials;
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (upload) request.upload.onprogress = () => {};
      request.onerror = () => reject(new TypeError("XMLHttpRequest failed"));
      request.onload = () => {
        const said = request.getAllResponseHeaders().toLowerCase();
        resolve({
          status: request.status,
          headers: WATCHED.filter((name) => new RegExp(`^${name}:`, "m").test(said)),
          body: short(request.responseText),
        });
      };
      request.send(body);
    });
  },

  eventsource(target, options) {
    return new Promise((resolve, reject) => {
      const source = new EventSource(target, options);
      const end = (settle, value) => {
        source.close();
        settle(value);
      };
      source.onmessage = (event) => end(resolve, { event: event.data });
      source.onerror = () => end(reject, new TypeError("EventSource failed"));
    });
  },

  websocket(target, { protocols = [] }) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(target.replace(/^http/, "ws"), protocols);
      socket.onmessage = (event) => {
        resolve({ event: event.data });
        socket.close();
      };
      socket.onerror = () => reject(new TypeError("WebSocket failed"));
    });
  },

  img: (target, options) => element("img", target, options),

  script: (target, options) => element("script", target, options),

  iframe: (target, options) => element("iframe", target, options),

  object: (target, options) => element("object", target, options, "data"),

  // In Firefox an embed whose document is missing has no event at all.
  embed: (target) => within(`<!doctype html><embed src="${target}">`),

  frame: (target) => within(`<frameset><frame src="${target}"></frameset>`),

  // A form that is sent to a frame, whose own empty page may load as well.
  form(target, { method, hidden = {} }) {
    return new Promise((resolve) => {
      const frame = document.createElement("iframe");
      frame.name = `frame-${Math.random()}`;
      frame.hidden = true;
      frame.onload = () => {
        if (isEmpty(frame)) return;
        frame.remove();
        resolve({ loaded: true });
      };
      document.body.append(frame);
      const form = document.createElement("form");
      Object.assign(form, { method, action: target, target: frame.name, hidden: true });
      for (const [name, value] of Object.entries(hidden)) {
        const input = document.createElement("input");
        Object.assign(input, { type: "hidden", name, value });
        form.append(input);
      }
      document.body.append(form);
      form.submit();
    });
  },
};

function isEmpty(frame) {
  try {
    return frame.contentWindow.location.href === "about:blank";
  } catch {
    return false; // Another origin's, which scripts can't look into.
  }
}

// A document has its load event once all that is in it has loaded or failed.
function within(html) {
  return new Promise((resolve) => {
    const outer = document.createElement("iframe");
    outer.onload = () => resolve({ loaded: true });
    outer.srcdoc = html;
    document.body.append(outer);
  });
}

function element(tag, target, options, source = "src") {
  return new Promise((resolve, reject) => {
    const made = document.createElement(tag);
    made.onload = () => resolve({ loaded: true });
    made.onerror = () => reject(new TypeError(`${tag} failed`));
    Object.assign(made, options);
    made[source] = target;
    document.body.append(made);
  });
}

async function see({ name, call, target, options }) {
  const late = new Promise((resolve) => {
    setTimeout(() => resolve({ hung: true }), PATIENCE_MS);
  });
  const settled = (async () => calls[call](url(target, name), options))();
  return Promise.race([settled.catch((error) => ({ blocked: error.name })), late]);
}

function show(name, seen) {
  const row = document.getElementById("seen").insertRow();
  row.insertCell().textContent = name;
  row.insertCell().textContent = JSON.stringify(seen);
}

// What a page in a sandbox saw: it has an origin like no other, `null`.
function framed(source) {
  return new Promise((resolve) => {
    addEventListener("message", (event) => resolve(event.data), { once: true });
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    frame.src = source;
    document.body.append(frame);
  });
}

async function run() {
  if (!work.inside) document.cookie = "session=of-the-page"; // There are none in a sandbox.
  const seen = {};
  for (const each of work.cases) {
    seen[each.name] = await see(each);
    show(each.name, seen[each.name]);
  }
  return { page: work.page, origin: self.origin, seen };
}

async function main() {
  if (work.inside) {
    parent.postMessage(await run(), "*");
    return;
  }
  const body = JSON.stringify(work.frame ? await framed(work.frame) : await run());
  await fetch(work.collect, { method: "POST", mode: "no-cors", body });
  if (work.next) location.href = work.next;
}

main();
