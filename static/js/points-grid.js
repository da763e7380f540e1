// Finds the dot near a place among very many: places are sorted into squares once, a question looks
// at the squares around. Units are the caller's, the same both ways or not; sizes in pixels come with
// each question. Knows no chart.
const SQUARES = 96;

export class Grid {
  // x and y: places; NaN is nowhere. The area [0, width] × [0, height] holds them.
  constructor(x, y, width = 1, height = 1) {
    Object.assign(this, { x, y, width, height });
    const counts = new Uint32Array(SQUARES * SQUARES + 1);
    const square = Int32Array.from(x, (_, i) => this.#square(i));
    for (const s of square) if (s >= 0) counts[s + 1] += 1;
    for (let s = 0; s < SQUARES * SQUARES; s += 1) counts[s + 1] += counts[s];
    this.starts = counts;
    this.items = new Uint32Array(counts[SQUARES * SQUARES]);
    const next = counts.slice();
    square.forEach((s, i) => { if (s >= 0) { this.items[next[s]] = i; next[s] += 1; } });
  }

  #row(at, size) { return Math.min(SQUARES - 1, Math.max(0, Math.floor((at / size) * SQUARES))); }

  #square(i) {
    if (!Number.isFinite(this.x[i]) || !Number.isFinite(this.y[i])) return -1;
    return this.#row(this.y[i], this.height) * SQUARES + this.#row(this.x[i], this.width);
  }

  // The dot nearest to (x, y) within `radius` pixels, or -1. xScale and yScale: pixels in a unit.
  nearest(x, y, radius, xScale, yScale) {
    let best = -1;
    let least = radius * radius;
    const left = this.#row(x - radius / xScale, this.width);
    const right = this.#row(x + radius / xScale, this.width);
    const bottom = this.#row(y - radius / yScale, this.height);
    const top = this.#row(y + radius / yScale, this.height);
    for (let row = bottom; row <= top; row += 1) {
      const end = this.starts[row * SQUARES + right + 1];
      for (let k = this.starts[row * SQUARES + left]; k < end; k += 1) {
        const i = this.items[k];
        const dx = (this.x[i] - x) * xScale;
        const dy = (this.y[i] - y) * yScale;
        const far = dx * dx + dy * dy;
        if (far < least) { least = far; best = i; }
      }
    }
    return best;
  }

  // The dot an arrow key leads to from dot `from`: the nearest one more ahead than aside, or -1.
  ahead(from, dx, dy, xScale, yScale) {
    let best = -1;
    let least = Infinity;
    for (const i of this.items) {
      const across = (this.x[i] - this.x[from]) * xScale;
      const up = (this.y[i] - this.y[from]) * yScale;
      const forward = across * dx + up * dy;
      const aside = Math.abs(across * dy) + Math.abs(up * dx);
      if (i === from || forward <= 0 || aside > forward) continue;
      const far = forward * forward + aside * aside;
      if (far < least) { least = far; best = i; }
    }
    return best;
  }
}

export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
