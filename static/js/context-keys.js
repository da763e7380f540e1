// Left and right look at the token before and after (data-context-tokens): the link is followed in
// place, the way a click would, and keeps the focus.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const text = document.querySelector("[data-context-tokens]");
  if (!step || !text || event.target.closest("input, textarea, select, [tabindex]")) return;
  const links = [...text.querySelectorAll("a")];
  const next = links[links.indexOf(text.querySelector("[aria-current]")) + step];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.click();
});
