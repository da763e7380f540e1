// Fields left empty stay out of the address of a submitted form (data-clean-form); with
// data-submit-on-change a changed choice submits it at once.
for (const form of document.querySelectorAll("[data-clean-form]")) {
  form.addEventListener("submit", () => {
    const empty = [...form.elements].filter((field) => field.name && field.value === "");
    for (const field of empty) field.disabled = true;
    // Back in the browser's history the fields must be usable again.
    setTimeout(() => { for (const field of empty) field.disabled = false; });
  });
  if ("submitOnChange" in form.dataset) {
    form.addEventListener("change", () => form.requestSubmit());
  }
}
