// Copies a drawing as its source text (data-copy-figure): of the link beside it, or of the address it
// holds itself.
import { copy, say } from "./clipboard.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy-figure]");
  if (!button) return;
  const url = button.dataset.copyFigure || button.parentElement.querySelector("[data-figure]").href;
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${answer.status} at ${url}`);
    say(button, (await copy(await answer.text())) ? "Copied" : "Not copied");
  } catch {
    say(button, "Not copied");
  }
});
