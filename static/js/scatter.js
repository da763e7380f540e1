// Scatters of a dictionary: a dot for each feature over the axes the server drew. Hover or arrow keys
// name a dot, click or Enter opens it, a dragged rectangle becomes two ranges in the address of the
// list, Escape clears them. Without this script the server's squares stay.
import { clear, colour, onTheme } from "./points-canvas.js";
import { Card } from "./points-card.js";
import { loadPoints, valueAt } from "./points-data.js";
import { ARROWS, Grid } from "./points-grid.js";
import { attachBrush } from "./scatter-brush.js";
import { visit } from "./switch-in-place.js";

const NEAR = 12;
const current = new Map(); // by the name of the part
let refocus = null;

// Which features the list keeps: a bit each, the lowest first; no text means all.
const keptOf = (text, n) => {
  if (!text) return () => true;
  const bytes = atob(text);
  const bits = Uint8Array.from({ length: n }, (_, i) => (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1);
  return (i) => bits[i] === 1;
};

// A range as the list's filters are written; a side that lies on the border of the plot stays open.
const rangeText = (column, low, high) => {
  const side = (at) => {
    if (at <= 0 || at >= 1) return "";
    const value = valueAt(column, at) * (column.share ? 100 : 1);
    return `${Number(value.toPrecision(3))}${column.share ? "%" : ""}`;
  };
  const text = `${side(low)}..${side(high)}`;
  return text === ".." ? "" : text;
};

// The axes and the ranges are the address's: the page follows it, and the keyboard stays where it is.
const follow = (url) => {
  if (url.pathname !== location.pathname) return location.assign(url.href);
  refocus = [...current].find(([, { canvas }]) => canvas === document.activeElement)?.[0];
  return visit(url.href);
};

class Scatter {
  constructor(section, points) {
    this.section = section;
    this.figure = section.querySelector("[data-scatter]");
    this.points = points;
    this.grid = new Grid(points.x.places, points.y.places);
    this.area = this.figure.querySelector(".chart-area");
    this.plot = document.createElement("div");
    this.plot.className = "scatter-plot";
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas, { tabIndex: 0 });
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `Scatter of ${points.y.label} over ${points.x.label}: arrow keys step from feature to feature, Enter opens`);
    this.plot.append(this.canvas);
    this.area.append(this.plot);
    this.area.classList.add("drawn");
    this.card = new Card(this.plot, section.querySelector("[data-scatter-said]"), this.figure.dataset.scatter);
    this.brush = attachBrush(this.plot, (span) => this.keep(span));
    this.watch();
    this.draw();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  draw() {
    const { pen, width, height } = clear(this.canvas);
    const { x, y } = this.points;
    const kept = keptOf(this.figure.dataset.kept, x.places.length);
    const size = Math.max(2, Math.min(4, Math.sqrt((width * height) / this.grid.items.length) / 4));
    for (const [name, wanted] of [["point-pale", false], ["point-dark", true]]) {
      pen.fillStyle = colour(name);
      for (const i of this.grid.items) {
        if (kept(i) === wanted) pen.fillRect(x.places[i] * width - size / 2, (1 - y.places[i]) * height - size / 2, size, size);
      }
    }
    this.drawRanges(width, height);
    if (this.card.index >= 0) this.name(this.card.index);
  }

  // The ranges of the address, as the server placed them.
  drawRanges(width, height) {
    const box = this.figure.querySelector(".brushed");
    if (!box) return;
    const [left, top, wide, high] = ["x", "y", "width", "height"].map((name) => parseFloat(box.getAttribute(name)) / 100);
    this.brush.show([left * width, top * height, (left + wide) * width, (top + high) * height]);
  }

  name(i, aloud = false) {
    const { x, y } = this.points;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.card.show(i, x.places[i] * width, (1 - y.places[i]) * height, [[y, y.values[i]], [x, x.values[i]]], aloud);
  }

  under(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return this.grid.nearest((event.clientX - left) / width, 1 - (event.clientY - top) / height, NEAR, width, height);
  }

  open(i) { location.assign(`${this.figure.dataset.scatter}${i}`); }

  keep([left, top, right, bottom]) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { x, y } = this.points;
    const url = new URL(this.figure.dataset.list, location.href);
    const ranges = [[x, left / width, right / width], [y, 1 - bottom / height, 1 - top / height]];
    for (const [column, low, high] of ranges) {
      const text = rangeText(column, low, high);
      if (text) url.searchParams.set(column.column, text);
    }
    this.card.hide();
    this.dragged = true;
    follow(url);
  }

  watch() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      const i = this.plot.classList.contains("dragging") ? -1 : this.under(event);
      canvas.classList.toggle("near", i >= 0);
      if (i >= 0) this.name(i); else this.card.hide();
    });
    canvas.addEventListener("pointerleave", () => { if (document.activeElement !== canvas) this.card.hide(); });
    canvas.addEventListener("pointerdown", () => { this.dragged = false; });
    // the brush holds the pointer, so that the click arrives at the plot
    this.plot.addEventListener("click", (event) => this.click(event));
    canvas.addEventListener("blur", () => this.card.hide());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // A finger names a dot first and opens it when it taps it again.
  click(event) {
    const i = this.under(event);
    if (this.dragged || i < 0) return;
    if (event.pointerType === "touch" && this.card.index !== i) this.name(i, true);
    else if (event.ctrlKey || event.metaKey) window.open(`${this.figure.dataset.scatter}${i}`);
    else this.open(i);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { index } = this.card;
    if (event.key === "Escape" && index >= 0) this.card.hide();
    else if (event.key === "Escape" && this.figure.querySelector(".brushed")) follow(new URL(this.figure.dataset.list, location.href));
    else if (event.key === "Enter" && index >= 0) this.open(index);
    else if (ARROWS[event.key]) {
      event.preventDefault();
      const { clientWidth: width, clientHeight: height } = this.canvas;
      const next = index < 0 ? this.grid.nearest(0.5, 0.5, Infinity, width, height) : this.grid.ahead(index, ...ARROWS[event.key], width, height);
      if (next >= 0) this.name(next, true);
    }
  }

  remove() { this.observer.disconnect(); this.card.remove(); }
}

const attach = async (section) => {
  const name = section.dataset.refresh;
  current.get(name)?.remove();
  current.delete(name);
  const points = await loadPoints(section.querySelector("[data-scatter]").dataset.points);
  if (!section.isConnected) return;
  const scatter = new Scatter(section, points);
  current.set(name, scatter);
  if (refocus === name) {
    scatter.canvas.focus({ preventScroll: true });
    refocus = null;
  }
};
const attempt = (section) => attach(section).catch((error) => console.warn(`${error.message}; the drawn squares stay.`));

const SECTIONS = "[data-refresh]:has(> [data-scatter])";
const find = (root) => [...(root.matches?.(SECTIONS) ? [root] : []), ...root.querySelectorAll(SECTIONS)];
document.addEventListener("refreshed", (event) => find(event.target).forEach(attempt));
onTheme(() => current.forEach((scatter) => scatter.draw()));

// Other axes: the rest of the view stays, an axis at its default leaves the address.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("[data-scatter-axes]");
  if (!form) return;
  const url = new URL(form.action);
  for (const field of form.elements) {
    if (field.name && field.value !== field.dataset.default) url.searchParams.append(field.name, field.value);
  }
  follow(url);
});

find(document).forEach(attempt);
