// Copies the address of exactly this view. Where the clipboard is closed to us (a plain http
// address), the text is selected in a field instead, by the oldest way there is.
const copy = async (text) => {
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

for (const button of document.querySelectorAll("[data-copy-link]")) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(location.href)) ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
