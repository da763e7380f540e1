// A canvas as large as the place it fills, in the screen's own pixels, and dots on it. Dots are small
// squares: thousands of them are drawn in the time of a frame. Knows no chart.

// Fits the canvas to its place and clears it; gives the pen, in CSS pixels, the size,
// and the screen's pixels in one of these.
export const clear = (canvas) => {
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = canvas.getContext("2d");
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  else { pen.setTransform(1, 0, 0, 1, 0, 0); pen.clearRect(0, 0, w, h); }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { pen, width, height, ratio };
};

// A colour of the style sheet as the browser resolves it now, by the name of its variable.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
export const colour = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};

// A colour as four bytes of an image in one number.
const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const known = new Map();
export const pixelOf = (name) => {
  if (!known.has(name)) {
    dot.clearRect(0, 0, 1, 1);
    dot.fillStyle = name;
    dot.fillRect(0, 0, 1, 1);
    known.set(name, new Uint32Array(dot.getImageData(0, 0, 1, 1).data.buffer)[0]);
  }
  return known.get(name);
};

// Calls back whenever the colours of the theme change.
export const onTheme = (redraw) => {
  document.addEventListener("themechange", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
};
