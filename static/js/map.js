// The map of directions: a dot for each feature, moved and zoomed. Hover or shift with arrows names a
// dot, click or Enter opens it; searching a token and choosing a colour change the address and the
// dots, not the place that is seen. Without this script the server's squares stay.
import { attachGestures, MapView } from "./map-view.js";
import { drawDots, drawingOrder, legendColours, stepsOf } from "./map-dots.js";
import { colour, onTheme } from "./points-canvas.js";
import { Card } from "./points-card.js";
import { loadPoints } from "./points-data.js";
import { ARROWS, Grid } from "./points-grid.js";
import { visit } from "./switch-in-place.js";

const NEAR = 12;
const STEP = 0.15;
const CLOSER = 1.6;

const part = (name) => document.querySelector(`[data-refresh=${name}]`);
const marksOf = () => part("map-found").dataset.marks.split(" ").filter(Boolean).map((text) => {
  const [index, share] = text.split(":").map(Number);
  return { index, share };
});

class DirectionMap {
  constructor(figure, points) {
    this.figure = figure;
    const { left, bottom, width, height } = figure.dataset;
    this.view = new MapView(Number(width) / Number(height), 1);
    // one unit of the plane is the map's height, both ways; a static copy has no place for features
    // that are not part of it
    this.x = Float64Array.from(points.x.values, (value) => (value === null ? NaN : (value - left) / height));
    this.y = Float64Array.from(points.y.values, (value) => (value === null ? NaN : (value - bottom) / height));
    this.grid = new Grid(this.x, this.y, this.view.width, this.view.height);
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", "Map of directions: plus and minus zoom, arrows move, shift with arrows steps from feature to feature, Enter opens");
    figure.querySelector("svg").after(this.canvas);
    this.card = new Card(figure, document.querySelector("[data-map-said]"), figure.dataset.map);
    this.view.fit(this.canvas.clientWidth, this.canvas.clientHeight);
    this.gestures = attachGestures(this.canvas, this.view, () => this.changed());
    this.recolour(points);
    this.watch();
    this.readAddress();
    this.draw();
    figure.classList.add("drawn");
  }

  recolour(points) {
    this.color = points.color;
    const legend = part("map-legend");
    const n = legend.querySelectorAll("rect").length;
    this.steps = stepsOf(points.color, this.x.length, n);
    this.order = drawingOrder(this.steps, n);
    this.colours = legendColours(legend);
    [this.faint, this.ink] = [colour("point-faint"), colour("ink")];
    this.marks = marksOf();
  }

  // The place that is seen and the feature that is marked, from the address.
  readAddress() {
    const asked = new URLSearchParams(location.search);
    this.view.text = asked.get("at") ?? "";
    this.marked = asked.has("feature") ? Number(asked.get("feature")) : -1;
  }

  changed() {
    this.draw();
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.writeAddress(), 250);
  }

  writeAddress() {
    const url = new URL(location.href);
    if (this.view.text) url.searchParams.set("at", this.view.text); else url.searchParams.delete("at");
    // commas are legal in a query and far easier to read
    history.replaceState(history.state, "", url.href.replaceAll("%2C", ","));
  }

  // At most once a frame.
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.view.fit(this.canvas.clientWidth, this.canvas.clientHeight);
      drawDots(this.canvas, this.view, this);
      const named = this.card.index >= 0 ? this.card.index : this.marked;
      if (named >= 0) this.name(named);
    });
  }

  name(i, aloud = false) {
    const [left, top] = this.view.toScreen(this.x[i], this.y[i]);
    const inside = left >= 0 && top >= 0 && left <= this.view.wide && top <= this.view.high;
    if (!inside) { this.card.hide(); return; }
    const mark = this.marks.find((item) => item.index === i);
    const columns = [[this.color, this.color?.values[i] ?? null]];
    if (mark) columns.unshift([{ label: "on the token", share: true }, mark.share]);
    this.card.show(i, left, top, columns, aloud);
  }

  unname() { if (this.marked >= 0) this.name(this.marked); else this.card.hide(); }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = this.view.toPlane(event.clientX - box.left, event.clientY - box.top);
    const { scale } = this.view;
    return this.nearestMark(x, y, scale) ?? this.grid.nearest(x, y, NEAR, scale, scale);
  }

  // A mark before the dots around it.
  nearestMark(x, y, scale) {
    const far = ({ index }) => Math.hypot(this.x[index] - x, this.y[index] - y) * scale;
    let best = null;
    for (const mark of this.marks) if (far(mark) < NEAR && (!best || far(mark) < far(best))) best = mark;
    return best?.index;
  }

  open(i) { location.assign(`${this.figure.dataset.map}${i}`); }

  watch() {
    const { canvas } = this;
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || this.gestures.dragging()) return;
      const i = this.under(event);
      canvas.classList.toggle("near", i >= 0);
      if (i >= 0) this.name(i); else this.unname();
    });
    canvas.addEventListener("pointerleave", () => this.unname());
    canvas.addEventListener("click", (event) => this.click(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const button of this.figure.querySelectorAll("[data-map-zoom]")) {
      button.addEventListener("click", () => this.zoom(button.dataset.mapZoom));
    }
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // A finger names a dot first and opens it when it taps it again.
  click(event) {
    const i = this.under(event);
    if (this.gestures.moved() || i < 0) return;
    if (event.pointerType === "touch" && this.card.index !== i) this.name(i, true);
    else if (event.ctrlKey || event.metaKey) window.open(`${this.figure.dataset.map}${i}`);
    else this.open(i);
  }

  zoom(how) {
    if (how === "all") this.view.reset(); else this.view.zoomAt(how === "in" ? CLOSER : 1 / CLOSER);
    this.changed();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const zooms = { "+": "in", "=": "in", "-": "out", "−": "out", 0: "all" };
    const arrow = ARROWS[event.key];
    if (zooms[event.key]) this.zoom(zooms[event.key]);
    else if (arrow && event.shiftKey) this.step(arrow);
    else if (arrow) { this.view.move(-arrow[0] * STEP * this.view.wide, arrow[1] * STEP * this.view.high); this.changed(); }
    else if (event.key === "Enter" && this.card.index >= 0) { this.open(this.card.index); return; }
    else if (event.key === "Escape") { this.card.hide(); return; }
    else return;
    event.preventDefault();
  }

  // To the next feature in a direction; the map follows it where it would leave the frame.
  step(arrow) {
    const { view, grid, card } = this;
    const { scale } = view;
    const next = card.index < 0 ? grid.nearest(view.x, view.y, Infinity, scale, scale) : grid.ahead(card.index, ...arrow, scale, scale);
    if (next < 0) return;
    const [left, top] = view.toScreen(this.x[next], this.y[next]);
    if (left < 0 || top < 0 || left > view.wide || top > view.high) view.move(view.wide / 2 - left, view.high / 2 - top);
    this.name(next, true);
    this.changed();
  }
}

const start = async () => {
  const figure = document.querySelector("[data-map]");
  const load = () => loadPoints(part("map-legend").dataset.points);
  const map = new DirectionMap(figure, await load());

  const form = document.querySelector("[data-map-form]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    map.writeAddress();
    const url = new URL(location.href);
    for (const { name, value, dataset } of form.elements) {
      if (!name) continue;
      if (value && value !== dataset.default) url.searchParams.set(name, value); else url.searchParams.delete(name);
    }
    visit(url.href);
  });
  form.addEventListener("change", (event) => { if (event.target.name === "color") form.requestSubmit(); });

  document.addEventListener("refreshed", async () => {
    form.elements.q.value = part("map-found").dataset.q;
    form.elements.color.value = part("map-legend").dataset.color;
    map.recolour(await load());
    map.draw();
  });
  // Back and forward change what the address says of the place; the parts follow by themselves.
  addEventListener("popstate", () => { map.readAddress(); map.draw(); });
  onTheme(async () => { map.recolour(await load()); map.draw(); });
};

start().catch((error) => console.warn(`${error.message}; the drawn squares stay.`));
