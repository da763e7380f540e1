// Draws the dots of a map: coloured by the steps of its legend, hollow for features without a value,
// faint around those that are marked. Many dots are written as pixels, which takes a fraction of the
// time of drawing them; few are drawn as discs. Takes a view and places; knows no gesture.
import { clear, colour, pixelOf } from "./points-canvas.js";

const FEW = 2500;

// The step of the legend for each dot; those without a value have the one after the last.
export const stepsOf = (column, n, nSteps) => Uint8Array.from({ length: n }, (_, i) => {
  const at = column ? column.places[i] : NaN;
  return Number.isFinite(at) ? Math.max(0, Math.min(nSteps - 1, Math.floor(at * nSteps))) : nSteps;
});

// All dots in the order they are drawn in: those without a value first, then step by step, so that the
// strongest lie on top.
export const drawingOrder = (steps, nSteps) => {
  const rank = (i) => (steps[i] === nSteps ? -1 : steps[i]);
  return Uint32Array.from(steps, (_, i) => i).sort((a, b) => rank(a) - rank(b) || a - b);
};

// The colours of the legend's steps as they are resolved now, and that of dots without a value.
export const legendColours = (legend) => [
  ...[...legend.querySelectorAll("rect")].map((rect) => getComputedStyle(rect).fill), colour("point-pale"),
];

const sizeOf = (view, n) => {
  const room = Math.sqrt((view.wide * view.high) / Math.max(n, 1)) / 5;
  return Math.max(1.6, Math.min(4.5, room)) * Math.min(3, view.zoom ** 0.4);
};

// What is used again in each frame: the dots that are seen with their places, and the image.
let places = new Float32Array(0);
let which = new Uint32Array(0);
let image = null;

// The dots inside the frame; their number.
const findSeen = (view, { x, y, order }, size) => {
  if (which.length < x.length) { places = new Float32Array(2 * x.length); which = new Uint32Array(x.length); }
  const { scale, wide, high } = view;
  let n = 0;
  for (const i of order) {
    const left = wide / 2 + (x[i] - view.x) * scale;
    const top = high / 2 - (y[i] - view.y) * scale;
    // NaN, no place, is inside nothing
    if (!(left >= -size && top >= -size && left <= wide + size && top <= high + size)) continue;
    which[n] = i;
    places[2 * n] = left;
    places[2 * n + 1] = top;
    n += 1;
  }
  return n;
};

// map: { x, y, steps, order, marks, colours, faint, ink }, the places in the view's units.
export const drawDots = (canvas, view, map) => {
  const { pen, ratio } = clear(canvas);
  const size = sizeOf(view, map.x.length);
  const colours = map.marks.length ? map.colours.map(() => map.faint) : map.colours;
  const n = findSeen(view, map, size);
  if (n > FEW) writePixels(canvas, pen, n, map.steps, colours, size, ratio);
  else drawDiscs(pen, n, map.steps, colours, size);
  drawMarks(pen, view, map, size);
};

const writePixels = (canvas, pen, n, steps, colours, size, ratio) => {
  if (image?.width !== canvas.width || image.height !== canvas.height) image = pen.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer).fill(0);
  const pixel = colours.map(pixelOf);
  const { width, height } = canvas;
  const side = Math.max(1, Math.round(size * ratio));
  const hollow = side > 3 ? colours.length - 1 : -1;
  for (let k = 0; k < n; k += 1) {
    const step = steps[which[k]];
    const left = Math.round(places[2 * k] * ratio - side / 2);
    const top = Math.round(places[2 * k + 1] * ratio - side / 2);
    const [from, to] = [Math.max(left, 0), Math.min(left + side, width)];
    const [first, last] = [Math.max(top, 0), Math.min(top + side, height)];
    if (from >= to) continue;
    for (let row = first; row < last; row += 1) {
      for (let at = row * width + from; at < row * width + to; at += 1) pixels[at] = pixel[step];
    }
    if (step !== hollow) continue;
    for (let row = Math.max(top + 1, 0); row < Math.min(top + side - 1, height); row += 1) {
      pixels.fill(0, row * width + Math.max(left + 1, 0), row * width + Math.max(Math.min(left + side - 1, width), 0));
    }
  }
  pen.putImageData(image, 0, 0);
};

const drawDiscs = (pen, n, steps, colours, size) => {
  const hollow = colours.length - 1;
  pen.lineWidth = Math.max(0.75, size / 6);
  for (let k = 0; k < n; k += 1) {
    const step = steps[which[k]];
    pen.beginPath();
    pen.arc(places[2 * k], places[2 * k + 1], step === hollow ? (size - pen.lineWidth) / 2 : size / 2, 0, 2 * Math.PI);
    if (step === hollow) { pen.strokeStyle = colours[step]; pen.stroke(); } else { pen.fillStyle = colours[step]; pen.fill(); }
  }
};

// Marks are discs in the colour of their dots, with areas in proportion to their shares; the weakest
// first, so that no strong one is hidden.
const drawMarks = (pen, view, map, size) => {
  if (!map.marks.length) return;
  const largest = map.marks[0].share || 1;
  pen.strokeStyle = map.ink;
  pen.lineWidth = 1.25;
  for (const { index, share } of [...map.marks].reverse()) {
    pen.fillStyle = map.colours[map.steps[index]];
    pen.beginPath();
    pen.arc(...view.toScreen(map.x[index], map.y[index]), Math.max(size, (size + 4) * Math.sqrt(share / largest)), 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
};
