// The slider over the prunings of a dictionary (inside [data-steps]). Every step is on the page, in
// words, in numbers and as a dot of each chart (data-of-step); here the one chosen is shown, the
// address follows, and links that keep the step follow the address. Nothing is asked for.
const steps = (root) => [...root.querySelectorAll(".pruning-steps [data-of-step]")];

const show = (root, number) => {
  const link = steps(root).find((item) => item.dataset.ofStep === number);
  if (!link) return;
  for (const part of root.querySelectorAll("[data-of-step]")) {
    const own = part.dataset.ofStep === number;
    if (part.matches("p, div")) part.hidden = !own; else part.classList.toggle("now", own);
  }
  for (const other of steps(root)) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  const slider = root.querySelector("[data-step-slider]");
  slider.value = number;
  slider.setAttribute("aria-valuetext", link.textContent);
};

// The threshold becomes part of the address, and of what leads to the same step elsewhere.
const keep = (root) => {
  const { threshold } = root.querySelector(".pruning-steps .now").dataset;
  const url = new URL(location.href);
  url.searchParams.set("threshold", threshold);
  history.replaceState(history.state, "", url);
  for (const link of document.querySelectorAll("[data-keeps-step] a[href], .site-footer [data-refresh='twin']")) {
    const other = new URL(link.getAttribute("href"), location.href);
    other.searchParams.set("threshold", threshold);
    link.setAttribute("href", other.pathname + other.search);
  }
};

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-step-slider]")) show(event.target.closest("[data-steps]"), event.target.value);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-step-slider]")) keep(event.target.closest("[data-steps]"));
});

// A dot or a threshold under the slider is the step it stands for.
document.addEventListener("click", (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const part = event.target.closest?.(".pruning-steps [data-of-step], circle[data-of-step]");
  if (!part) return;
  event.preventDefault();
  const root = part.closest("[data-steps]");
  show(root, part.dataset.ofStep);
  keep(root);
});

// A copy on a file host gives every address the same page: the step is in the address alone.
const asked = new URL(location.href).searchParams.get("threshold");
for (const root of asked ? document.querySelectorAll("[data-steps]") : []) {
  const found = steps(root).find((item) => item.dataset.threshold === asked);
  if (found) show(root, found.dataset.ofStep);
}
