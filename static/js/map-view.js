// Which part of a plane a rectangle shows: a place in the middle and a zoom, and the gestures that
// change them (drag, wheel, pinch). The plane is [0, width] × [0, height] with y from the bottom;
// at zoom 1 all of it is seen. Knows no dots.
const MOST = 64;
const within = (value, low, high) => Math.max(low, Math.min(high, value));

export class MapView {
  constructor(width, height) {
    Object.assign(this, { width, height });
    this.reset();
  }

  reset() { Object.assign(this, { x: this.width / 2, y: this.height / 2, zoom: 1 }); }

  // The size of the screen's rectangle, in pixels.
  fit(wide, high) {
    Object.assign(this, { wide, high });
    this.unit = Math.min(wide / this.width, high / this.height);
  }

  // Pixels in a unit of the plane.
  get scale() { return this.unit * this.zoom; }

  toScreen(x, y) { return [this.wide / 2 + (x - this.x) * this.scale, this.high / 2 - (y - this.y) * this.scale]; }

  toPlane(left, top) { return [this.x + (left - this.wide / 2) / this.scale, this.y - (top - this.high / 2) / this.scale]; }

  move(dx, dy) {
    this.x = within(this.x - dx / this.scale, 0, this.width);
    this.y = within(this.y + dy / this.scale, 0, this.height);
  }

  // Zooms by a factor; what lies under (left, top) stays there.
  zoomAt(factor, left = this.wide / 2, top = this.high / 2) {
    const [x, y] = this.toPlane(left, top);
    this.zoom = within(this.zoom * factor, 1, MOST);
    const [nowLeft, nowTop] = this.toScreen(x, y);
    this.move(left - nowLeft, top - nowTop);
    if (this.zoom === 1) this.reset();
  }

  // The view as the address has it: shares of the plane from the left and from the top, and the zoom.
  get text() {
    if (this.zoom === 1) return "";
    return [this.x / this.width, 1 - this.y / this.height, this.zoom].map((n) => String(Number(n.toFixed(4)))).join(",");
  }

  set text(text) {
    this.reset();
    if (!text) return;
    const [x, y, zoom] = text.split(",").map(Number);
    this.zoom = within(zoom, 1, MOST);
    if (this.zoom > 1) {
      this.x = within(x, 0, 1) * this.width;
      this.y = within(1 - y, 0, 1) * this.height;
    }
  }
}

// Drag, wheel and pinch on a canvas move its view; `changed` is called after each step. A press that
// doesn't move stays a click; `moved()` tells the two apart.
export const attachGestures = (canvas, view, changed) => {
  const fingers = new Map();
  let travelled = 0;
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
  const middle = () => { const all = [...fingers.values()]; return [0, 1].map((axis) => all.reduce((sum, p) => sum + p[axis], 0) / all.length); };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!fingers.size) travelled = 0;
    fingers.set(event.pointerId, at(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.size > 1 ? [middle(), spread()] : [middle(), 1];
    fingers.set(event.pointerId, at(event));
    const now = fingers.size > 1 ? [middle(), spread()] : [middle(), 1];
    const [dx, dy] = [now[0][0] - before[0][0], now[0][1] - before[0][1]];
    travelled += Math.abs(dx) + Math.abs(dy) + Math.abs(now[1] - before[1]);
    if (travelled < 4) return;
    canvas.classList.add("dragging");
    view.move(dx, dy);
    if (fingers.size > 1) view.zoomAt(now[1] / Math.max(before[1], 1), ...now[0]);
    changed();
  });
  const lift = (event) => { fingers.delete(event.pointerId); if (!fingers.size) canvas.classList.remove("dragging"); };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    view.zoomAt(Math.exp(-within(pixels, -200, 200) / 300), ...at(event));
    changed();
  }, { passive: false });
  return { moved: () => travelled >= 4, dragging: () => fingers.size > 0 };
};
