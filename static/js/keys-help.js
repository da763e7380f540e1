// Lists every key of a page in a dialog (the button with data-keys-help, or "?").
//
// The convention, for all pages: an element that a key presses, or a hint that names one, carries
//   aria-keyshortcuts="n"            the key as KeyboardEvent.key names it; several are separated by
//                                    spaces and mean the same thing or a pair ("j k")
//   data-key-help="next feature"     what it does, in a few words; without it the element's aria-label
//                                    or text is used; an element without either is left out
// shortcuts.js presses links, buttons and fields; what other keys do is up to the script that knows them.
const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
const ALWAYS = [[["Tab"], "to the next thing that can be used"], [["Escape"], "close, or leave a field"]];

const keysOfPage = () => {
  const found = new Map();
  for (const element of document.querySelectorAll("[aria-keyshortcuts]")) {
    const words = element.dataset.keyHelp ?? element.getAttribute("aria-label") ?? element.textContent.trim();
    if (words && !found.has(words)) found.set(words, element.getAttribute("aria-keyshortcuts").split(" "));
  }
  return [...[...found].map(([words, keys]) => [keys, words]), ...ALWAYS];
};

let dialog = null;

const fill = () => {
  const list = document.createElement("dl");
  for (const [keys, words] of keysOfPage()) {
    const dt = document.createElement("dt");
    for (const key of keys) {
      const kbd = document.createElement("kbd");
      kbd.textContent = NAMES[key] ?? key;
      dt.append(kbd, " ");
    }
    const dd = document.createElement("dd");
    dd.textContent = words;
    list.append(dt, dd);
  }
  const heading = document.createElement("h2");
  heading.id = "keys-help";
  heading.textContent = "Keys on this page";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(heading, list, close);
};

const open = () => {
  if (!dialog) {
    dialog = document.createElement("dialog");
    dialog.className = "keys-help";
    dialog.setAttribute("aria-labelledby", "keys-help");
    // A click beside the dialog lands on its backdrop, which is the dialog itself.
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    document.body.append(dialog);
  }
  if (dialog.open) { dialog.close(); return; }
  fill();
  dialog.showModal();
};

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-keys-help]")) open();
});
