// A brush over a drawn histogram (data-brush): a range is dragged with mouse or finger, or its two
// handles are moved with the keys; letting go puts it into the address and the page follows. Places
// count bins from the left and snap to their edges, so that a bar is kept wholly or not at all. The
// drawing and its links are the server's and work without this.
import { visit } from "./switch-in-place.js";

const FAR = 4;  // pixels a pointer moves before it brushes, else it clicks
const PAUSE = 350;  // milliseconds after the last key before the page follows
const DECADE = 8;  // bins that Page Up and Page Down step over

const numbers = (text) => text.split(" ").map(Number);

class Brush {
  constructor(holder) {
    this.holder = holder;
    this.edges = holder.dataset.edges.split(" ");
    this.counts = numbers(holder.dataset.counts);
    this.last = this.counts.length;
    this.low = Number(holder.dataset.low);
    this.high = Number(holder.dataset.high);
    this.set = "set" in holder.dataset;
    this.area = holder.querySelector(".chart-area");
    this.layer = document.createElement("div");
    this.layer.className = "brush-layer";
    this.range = this.layer.appendChild(document.createElement("div"));
    this.range.className = "brush-range";
    this.handles = ["low", "high"].map((side) => this.makeHandle(side));
    this.area.append(this.layer);
    this.area.classList.add("brushing");
    this.area.addEventListener("pointerdown", (event) => this.begin(event));
    // The handles are the keyboard's way to any range: the bars need no stops of their own.
    for (const link of this.area.querySelectorAll("a")) link.setAttribute("tabindex", "-1");
    this.area.addEventListener("dragstart", (event) => event.preventDefault());
    this.draw();
  }

  makeHandle(side) {
    const handle = this.layer.appendChild(document.createElement("span"));
    const { name } = this.holder.dataset;
    handle.className = "brush-handle";
    handle.id = `brush-${name}-${side}`;
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", `${side === "low" ? "Lowest" : "Highest"} ${name} kept`);
    handle.dataset.side = side;
    handle.addEventListener("keydown", (event) => this.key(event, side));
    handle.addEventListener("blur", () => this.pending && this.commit());
    return handle;
  }

  // The range as an address writes it; empty where everything is kept. The left edge is written,
  // because features that never fire lie left of it and are in no bar.
  text() {
    if (this.low <= 0 && this.high >= this.last) return "";
    const [low, high] = [this.edges[this.low], this.edges[this.high]];
    return this.high >= this.last ? `${low}..` : `${low}..${high}`;
  }

  words() {
    if (!this.set) return "";
    const n = this.counts.slice(this.low, this.high).reduce((sum, count) => sum + count, 0);
    return `${this.edges[this.low]} – ${this.edges[this.high]}: ${n.toLocaleString("en")} features. `;
  }

  draw() {
    const percent = (place) => `${(100 * place) / this.last}%`;
    this.layer.classList.toggle("set", this.set);
    this.range.style.left = percent(this.low);
    this.range.style.width = percent(this.high - this.low);
    for (const [handle, place] of [[this.handles[0], this.low], [this.handles[1], this.high]]) {
      handle.style.left = percent(place);
      handle.setAttribute("aria-valuemin", handle.dataset.side === "low" ? 0 : Math.floor(this.low) + 1);
      handle.setAttribute("aria-valuemax", handle.dataset.side === "low" ? Math.ceil(this.high) - 1 : this.last);
      handle.setAttribute("aria-valuenow", place);
      handle.setAttribute("aria-valuetext", `${this.edges[Math.round(place)]}${this.holder.dataset.unit ?? ""}`);
    }
  }

  // Moved by hand: drawn, said, and not yet in the address.
  move(low, high) {
    this.low = Math.max(0, Math.min(low, high));
    this.high = Math.min(this.last, Math.max(low, high));
    this.set = this.low > 0 || this.high < this.last;
    this.draw();
    this.holder.closest(".panel").querySelector("[data-brush-said]").textContent = this.words();
  }

  commit() {
    clearTimeout(this.pending);
    this.pending = 0;
    const url = new URL(location.href);
    const text = this.text();
    if (text) url.searchParams.set(this.holder.dataset.brush, text);
    else url.searchParams.delete(this.holder.dataset.brush);
    url.searchParams.delete("next");
    url.hash = "";
    return visit(url.href);
  }

  key(event, side) {
    const at = side === "low" ? this.low : this.high;
    const next = {
      ArrowLeft: Math.ceil(at) - 1, ArrowDown: Math.ceil(at) - 1,
      ArrowRight: Math.floor(at) + 1, ArrowUp: Math.floor(at) + 1,
      PageDown: Math.round(at) - DECADE, PageUp: Math.round(at) + DECADE,
      Home: 0, End: this.last,
    }[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (side === "low") this.move(Math.max(0, Math.min(next, Math.ceil(this.high) - 1)), Math.ceil(this.high));
    else this.move(Math.floor(this.low), Math.min(this.last, Math.max(next, Math.floor(this.low) + 1)));
    clearTimeout(this.pending);
    this.pending = setTimeout(() => this.commit(), PAUSE);
  }

  placeOf(event) {
    const box = this.layer.getBoundingClientRect();
    return Math.max(0, Math.min(this.last, (this.last * (event.clientX - box.left)) / box.width));
  }

  begin(event) {
    if (event.button || !event.isPrimary) return;
    const handle = event.target.closest(".brush-handle");
    const from = this.placeOf(event);
    const before = [this.low, this.high, this.set];
    const held = this.set && from > this.low && from < this.high;
    // A new range spans the bins its ends lie in; a held one keeps its width.
    const drag = (to) => {
      if (handle) {
        const still = handle.dataset.side === "low" ? Math.ceil(before[1]) : Math.floor(before[0]);
        const place = Math.round(to);
        if (place !== still) this.move(still, place);
      } else if (held) {
        const width = Math.round(before[1] - before[0]);
        const low = Math.max(0, Math.min(this.last - width, Math.round(before[0] + to - from)));
        this.move(low, low + width);
      } else {
        const [low, high] = [Math.min(from, to), Math.max(from, to)];
        this.move(Math.floor(low), Math.max(Math.ceil(high), Math.floor(low) + 1));
      }
    };
    let moved = false;
    const onMove = (other) => {
      if (other.pointerId !== event.pointerId) return;
      if (!moved && Math.abs(other.clientX - event.clientX) < FAR) return;
      if (!moved) this.area.setPointerCapture(event.pointerId);
      moved = true;
      drag(this.placeOf(other));
    };
    const end = (keep) => {
      removeEventListener("pointermove", onMove);
      removeEventListener("pointerup", onUp);
      removeEventListener("pointercancel", onCancel);
      removeEventListener("keydown", onKey);
      if (!moved) return;
      // The click that follows a drag opens no bar.
      const swallow = (click) => { click.preventDefault(); click.stopPropagation(); };
      addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => removeEventListener("click", swallow, { capture: true }));
      if (keep) { this.commit(); return; }
      [this.low, this.high, this.set] = before;
      this.draw();
    };
    const onUp = () => end(true);
    const onCancel = () => end(false);
    const onKey = (key) => { if (key.key === "Escape") end(false); };
    addEventListener("pointermove", onMove);
    addEventListener("pointerup", onUp);
    addEventListener("pointercancel", onCancel);
    addEventListener("keydown", onKey);
    if (handle) handle.focus({ preventScroll: true });
  }
}

const attach = (root) => {
  for (const holder of root.querySelectorAll("[data-brush]")) new Brush(holder);
};

attach(document);
document.addEventListener("refreshed", (event) => attach(event.target));
