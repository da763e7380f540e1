// Copies the address of exactly this view (data-copy-link).
import { copy, say } from "./clipboard.js";

for (const button of document.querySelectorAll("[data-copy-link]")) {
  button.addEventListener("click", async () => say(button, (await copy(location.href)) ? "Copied" : "Not copied"));
}
