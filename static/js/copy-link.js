// Copies the address of exactly this view (data-copy-link), or where the view is seen through a share
// link, that link, which is the attribute's value.
import { copy, say } from "./clipboard.js";

const linkOf = ({ dataset: { copyLink } }) => (copyLink ? new URL(copyLink, location.href).href : location.href);

for (const button of document.querySelectorAll("[data-copy-link]")) {
  button.addEventListener("click", async () => say(button, (await copy(linkOf(button))) ? "Copied" : "Not copied"));
}
