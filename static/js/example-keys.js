// From example to example by keys: j and k move the focus (and no address), Enter opens the example one
// is at with every value, y copies its address. An example opened by its own address is brought into
// view with the peak of its table; the one the mouse or the focus is at has a button that copies its
// address. Works on [id] articles of class "example" whose link of class "own" is their address.
import { copy, say } from "./clipboard.js";

const examples = () => [...document.querySelectorAll(".example")];
const headerHeight = () => document.querySelector(".site-header")?.offsetHeight ?? 0;
const typing = (target) => target.closest?.("input, textarea, select, [contenteditable], dialog");

// Where the next step starts: the example with the focus, else the first that is fully seen.
const current = () => document.activeElement?.closest?.(".example");

const step = (by) => {
  const all = examples();
  const from = current();
  if (from) return all[all.indexOf(from) + by];
  const seen = all.findIndex((item) => item.getBoundingClientRect().top >= headerHeight());
  if (seen === -1) return all[by > 0 ? 0 : all.length - 1];
  return by > 0 ? all[seen] : all[Math.max(0, seen - 1)];
};

const focus = (item) => {
  item.tabIndex = -1;
  item.setAttribute("aria-label", `Example ${item.id}`);
  item.focus({ preventScroll: true });
};

const go = (item) => {
  focus(item);
  const { top, bottom } = item.getBoundingClientRect();
  const margin = 12;
  const above = top - headerHeight() - margin;
  const below = bottom - innerHeight + margin;
  // Steps follow each other faster than a smooth scroll would end.
  if (above < 0 || bottom - top > innerHeight / 2) scrollBy({ top: above, behavior: "instant" });
  else if (below > 0) scrollBy({ top: below, behavior: "instant" });
};

document.addEventListener("keydown", async (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (event.key === "j" || event.key === "k") {
    const next = step(event.key === "j" ? 1 : -1);
    event.preventDefault();
    if (next) go(next);
    return;
  }
  const item = current() ?? document.querySelector(".example.marked");
  if (!item) return;
  if (event.key === "Enter" && event.target === item) {
    event.preventDefault();
    item.querySelector("a.own").click();
  } else if (event.key === "y") {
    event.preventDefault();
    attach(item);
    say(button, (await copy(item.querySelector("a.own").href)) ? "copied" : "not copied");
  }
});

// One button, lent to the example one is at.
const button = document.createElement("button");
button.type = "button";
button.className = "example-copy";
button.textContent = "copy link";
button.addEventListener("click", async () => {
  const own = button.closest(".example").querySelector("a.own");
  say(button, (await copy(own.href)) ? "copied" : "not copied");
});
const attach = (item) => {
  const meta = item.querySelector(".example-meta");
  if (meta && button.parentElement !== meta) meta.append(button);
};
for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const item = event.target.closest?.(".example");
    if (item) attach(item);
    else if (kind === "pointerover" && document.activeElement !== button) button.remove();
  });
}

// The table of a marked example opens at its peak, the page at the example.
const open = () => {
  const row = document.querySelector(".example.marked .peak-row");
  const box = row?.closest(".numbers-table");
  if (box) box.scrollTop = row.offsetTop - box.clientHeight / 2;
};
open();
document.addEventListener("refreshed", open);
const marked = document.querySelector(".example.marked");
if (marked) {
  focus(marked);
  if (!location.hash) marked.scrollIntoView({ block: "start", behavior: "instant" });
}
