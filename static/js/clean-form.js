// Fields left empty stay out of the address of a submitted form (data-clean-form). A changed choice
// with data-submit-on-change, on itself or on its form, submits at once. Listens on the document, so
// that forms put in place later are heard too.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-clean-form]") || event.defaultPrevented) return;
  const empty = [...event.target.elements].filter((field) => field.name && field.value === "");
  for (const field of empty) field.disabled = true;
  // Back in the browser's history the fields must be usable again.
  setTimeout(() => { for (const field of empty) field.disabled = false; });
});

document.addEventListener("change", (event) => {
  const { form } = event.target;
  if (form?.matches("[data-submit-on-change]") || event.target.matches("[data-submit-on-change]")) form.requestSubmit();
});
