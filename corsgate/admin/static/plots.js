// Plots of the last five minutes, drawn by uPlot.

import { el, setText } from "./dom.js";
import { clock } from "./format.js";

const SPAN_S = 300;
const LEAST_S = 60;
const plots = new Set();
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");

// uPlot reads the colours at each drawing, so a redraw is enough.
dark.addEventListener("change", () => {
  for (const plot of plots) plot.redraw(false);
});

function make(box, names, height, axes, hooks, least = 0) {
  const uPlot = globalThis.uPlot;
  const series = names.map(([colour, fill]) => ({
    stroke: () => css(colour),
    fill: fill ? () => css(fill) : undefined,
    width: axes ? 1.5 : 1.25,
    points: { show: false },
    spanGaps: false,
  }));
  const options = {
    width: Math.max(40, box.clientWidth),
    height,
    legend: { show: false },
    cursor: axes ? { drag: { x: false, y: false }, points: { size: 6 }, y: false } : { show: false },
    select: { show: false },
    padding: axes ? [8, 8, 0, 0] : [2, 0, 2, 0],
    scales: {
      x: { time: false, range: (u) => [u.oldest ?? 0, u.newest ?? 1] },
      y: { range: (u, low, high) => [0, Math.max(high * 1.1, least) || 1] },
    },
    axes: axes ? [timeAxis(), valueAxis(axes)] : [{ show: false }, { show: false }],
    series: [{}, ...series],
    hooks,
  };
  const plot = new uPlot(options, [[], ...names.map(() => [])], box);
  const observer = new ResizeObserver(() => {
    if (box.clientWidth) plot.setSize({ width: box.clientWidth, height });
  });
  observer.observe(box);
  plots.add(plot);
  return {
    set(data) {
      plot.newest = data[0].at(-1);
      // The range grows with the data, up to five minutes.
      plot.oldest = Math.max(plot.newest - SPAN_S, Math.min(data[0][0], plot.newest - LEAST_S));
      plot.setData(data);
    },
    drop() {
      observer.disconnect();
      plots.delete(plot);
      plot.destroy();
    },
  };
}

const font = "11px system-ui, sans-serif";
const line = { stroke: () => css("--line"), width: 1 };

function timeAxis() {
  return {
    stroke: () => css("--muted"),
    font,
    size: 26,
    gap: 4,
    space: 70,
    incrs: [60, 120, 300],
    grid: { show: false },
    ticks: { ...line, size: 4 },
    values: (u, splits) => splits.map((time) => clock(time, time).slice(0, 5)),
  };
}

function valueAxis(format) {
  return {
    stroke: () => css("--muted"),
    font,
    size: 58,
    gap: 6,
    space: 32,
    grid: line,
    ticks: { show: false },
    values: (u, splits) => splits.map(format),
  };
}

/**
 * A plot with a title, axes and a legend. The legend has the newest values, or those at the pointer.
 *
 * @param lines For each line its label, colour and fill (names of CSS properties).
 * @param least The minimum for the top of the value axis.
 */
export function largePlot(title, lines, format, least) {
  const time = el("span", { class: "muted time" });
  const values = lines.map(([label, colour]) => {
    const value = el("span", { class: "value" });
    const node = el("span", { class: "key" }, el("span", { class: `swatch ${colour.slice(2)}` }), `${label} `, value);
    return { node, value };
  });
  const canvas = el("div", { class: "canvas", role: "img", "aria-label": `${title} over the last five minutes` });
  const node = el(
    "figure",
    { class: "panel plot" },
    el("figcaption", {}, el("span", { class: "title" }, title), time, el("span", { class: "keys" }, ...values.map((each) => each.node))),
    canvas,
  );
  let plot = null;
  let data = null;
  let at = null;

  function showValues() {
    const i = at ?? data[0].length - 1;
    values.forEach((each, number) => setText(each.value, format(data[number + 1][i])));
    setText(time, at === null ? "" : clock(data[0][i]));
  }

  return {
    node,
    set(next) {
      data = next;
      plot ??= make(canvas, lines.map(([, colour, fill]) => [colour, fill]), 130, format, {
        setCursor: [(u) => { if (data) { at = u.cursor.idx ?? null; showValues(); } }],
      }, least);
      plot.set(data);
      showValues();
    },
  };
}

/** A small plot without axes, for a row of a table. */
export function spark(title, lines) {
  const node = el("div", { class: "canvas small", role: "img", "aria-label": title });
  let plot = null;
  return {
    node,
    set(data) {
      plot ??= make(node, lines, 28, null, {});
      plot.set(data);
    },
    drop: () => plot?.drop(),
  };
}
