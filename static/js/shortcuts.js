// Keys that stand on an element (aria-keyshortcuts) press it: fields are focused, links followed, buttons
// pressed. Never while typing, never with a modifier, never what stands behind an open dialog. Elements
// of other kinds only name keys that another script knows (keys-help.js lists them all).
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key.length !== 1) return;
  const open = document.querySelector("dialog[open]");
  if (open) {
    if (event.key === "?") { event.preventDefault(); open.close(); }
    return;
  }
  const named = `[aria-keyshortcuts~="${CSS.escape(event.key)}"]`;
  const target = document.querySelector(`a${named}, button${named}, input${named}`);
  if (!target) return;
  event.preventDefault();
  if (target.matches("input")) {
    target.focus();
    target.select();
  } else {
    target.click();
  }
});
