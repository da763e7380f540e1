// A form whose text isn't saved yet asks before the page is left. Attached by data-unsaved-text; what
// came back unsaved (data-not-saved) counts from the start.
for (const form of document.querySelectorAll("form[data-unsaved-text]")) {
  let unsaved = "notSaved" in form.dataset;
  form.addEventListener("input", () => { unsaved = true; });
  form.addEventListener("submit", () => { unsaved = false; });
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
}
