// Puts text on the clipboard and says whether it did. Where the clipboard is closed to us (a plain
// http address), the text is selected in a field instead, by the oldest way there is.
export const copy = async (text) => {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* asked below */ }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.setAttribute("readonly", "");
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
};

// A button says for a moment what became of its click; its width stays as it was.
export const say = (button, text) => {
  const label = button.dataset.label ?? button.textContent;
  button.dataset.label = label;
  button.style.minWidth = `${button.offsetWidth}px`;
  button.textContent = text;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => { button.textContent = label; }, 1500);
};
