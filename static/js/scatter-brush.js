// A rectangle dragged over a plot, in pixels. Takes the plot, gives what was dragged when the button
// is let go; Escape lets nothing be. A press that doesn't move is left to others. Mouse and pen only:
// a finger scrolls. Knows no axis.
const LEAST = 5;

export const attachBrush = (plot, done) => {
  const box = document.createElement("div");
  box.className = "scatter-brush";
  box.hidden = true;
  plot.append(box);
  let from = null;

  const at = (event) => {
    const area = plot.getBoundingClientRect();
    const within = (value, size) => Math.max(0, Math.min(size, value));
    return [within(event.clientX - area.left, area.width), within(event.clientY - area.top, area.height)];
  };
  const show = ([left, top, right, bottom]) => {
    Object.assign(box.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    box.hidden = false;
  };
  const spanned = (to) => [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
  const stop = () => { from = null; plot.classList.remove("dragging"); };

  plot.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return;
    from = at(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = at(event);
    if (Math.abs(to[0] - from[0]) < LEAST && Math.abs(to[1] - from[1]) < LEAST) return;
    plot.classList.add("dragging");
    show(spanned(to));
  });
  plot.addEventListener("pointerup", (event) => {
    if (!from) return;
    const dragged = plot.classList.contains("dragging");
    const span = spanned(at(event));
    stop();
    if (dragged) done(span);
  });
  plot.addEventListener("pointercancel", stop);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !from) return;
    stop();
    box.hidden = true;
    event.stopPropagation();
  });
  return { show };
};
