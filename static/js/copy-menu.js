// The menu beside "Copy link": copies the view as Markdown (data-copy-markdown holds the words, made
// by the server; the address is that of the moment), keeps the addresses of its drawings and
// of what a share link is made of at the view that is seen, and closes on Escape or a click elsewhere.
import { copy, say } from "./clipboard.js";

// Signs that would end a Markdown link inside its address.
const inLink = (url) => url.replace(/[()<> ]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

for (const menu of document.querySelectorAll("details.copy-menu")) {
  menu.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy-markdown]");
    if (!button) return;
    const { copyMarkdown: title, line } = button.dataset;
    const text = `[${title}](${inLink(location.href)})${line ? ` – ${line}` : ""}`;
    say(button, (await copy(text)) ? "Copied" : "Not copied");
  });
  menu.addEventListener("toggle", () => {
    for (const link of menu.querySelectorAll("[data-figure]")) {
      const url = new URL(link.getAttribute("href"), location.href);
      const panel = url.searchParams.get("panel");
      url.search = location.search;
      url.searchParams.set("panel", panel);
      link.href = url.pathname + url.search;
    }
    const shared = menu.querySelector("[data-share-address]");
    if (shared) shared.value = location.pathname + location.search;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
}
