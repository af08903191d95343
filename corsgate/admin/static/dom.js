// Builds and updates elements. Text is inserted only as text, so no value can become markup.

export const byId = (id) => document.getElementById(id);

/** Return a new element; null children and attributes are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Set an element's text if it differs. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set the classes of an element if they differ. */
export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

/** Show or hide an element. */
export function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

/** Return an element for text from outside, such as an origin, which may have any length and direction. */
export const foreign = (text) => el("bdi", { class: "foreign" }, String(text));

/**
 * Keep one child of `parent` for each item, in the items' order.
 *
 * A remaining child is updated, not replaced, so focus and selection are kept.
 *
 * @param make Returns a view: an object with `node`, `update(item)` and optionally `drop()`.
 */
export function keyed(parent, views, items, keyOf, make) {
  const kept = new Set();
  let before = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (kept.has(key)) continue;
    kept.add(key);
    let view = views.get(key);
    if (view === undefined) {
      view = make(item);
      views.set(key, view);
    }
    if (view.node === before) before = before.nextSibling;
    else parent.insertBefore(view.node, before);
    view.update(item);
  }
  for (const [key, view] of views) {
    if (kept.has(key)) continue;
    view.drop?.();
    view.node.remove();
    views.delete(key);
  }
}

/** Replace the children of an element if their content has changed. */
export function redraw(parent, shown, children) {
  const text = JSON.stringify(shown);
  if (parent.dataset.shown === text) return;
  parent.dataset.shown = text;
  parent.replaceChildren(...children());
}

/** Announce a change to users of a screen reader. */
export function say(text) {
  byId("said").textContent = text;
}

/** A bar with its numbers beside it. */
export function bar(what) {
  const fill = el("span", { class: "fill" });
  const numbers = el("span", { class: "numbers" });
  const node = el("span", { class: "bar" }, el("span", { class: "track", "aria-hidden": "true" }, fill), numbers);
  return {
    node,
    set(used, most, text) {
      const share = most > 0 ? Math.min(1, used / most) : 0;
      // CSSOM is not subject to style-src; a style attribute would be.
      fill.style.width = `${(share * 100).toFixed(1)}%`;
      setClass(fill, share >= 0.9 ? "fill bad" : share >= 0.7 ? "fill warn" : "fill");
      setText(numbers, text ?? `${used} of ${most} ${what}`);
    },
  };
}

/** A button that copies text, or selects it without permission for the clipboard. */
export function copyButton(source) {
  const button = el("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      done = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
    }
    button.textContent = done;
    say(done);
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return button;
}

/** Whether a near miss is a different site or host that only looks like an allowed one. */
export const isLookAlike = (text) => /^another (site|host): /.test(text);

/** How a call differs from an allowed one. */
export function nearMiss(text) {
  return el("p", {}, el("span", { class: "tag" }, isLookAlike(text) ? "Look-alike" : "Near miss"), " ", foreign(text));
}

/** A block of text with a button that copies it. */
export function block(text, label) {
  const code = el("pre", { tabindex: "0", role: "group", "aria-label": label }, text);
  return el("div", { class: "block" }, code, copyButton(code));
}
