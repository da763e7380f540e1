// j and k step through the rows of a list of features (data-list-keys): the link of a row has the
// focus, so that Enter opens it and a screen reader says it. Never while typing, never with a
// modifier. At either end the first press stays there.
const names = () => [...document.querySelectorAll("[data-list-keys] .feature-name")];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable], [role=slider]")) return;
  const step = { j: 1, k: -1 }[event.key];
  const links = names();
  if (!step || !links.length) return;
  event.preventDefault();
  const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  // From outside the list both keys begin at the first row that can be seen.
  const seen = Math.max(0, links.findIndex((link) => link.getBoundingClientRect().top > 120));
  const next = at < 0 ? seen : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next].focus({ preventScroll: true, focusVisible: true });
  links[next].closest("tr").scrollIntoView({ block: "nearest" });
});
