// Copies the field a button stands beside (data-copy-field); the field selects itself when entered.
import { copy, say } from "./clipboard.js";

for (const button of document.querySelectorAll("[data-copy-field]")) {
  const field = button.parentElement.querySelector("input");
  button.addEventListener("click", async () => say(button, (await copy(field.value)) ? "Copied" : "Not copied"));
  field.addEventListener("focus", () => field.select());
}
