// Light or dark as the reader chose, else as the system says. Loaded before the page is drawn (not
// as a module), so that nothing flashes in the other colours.
(() => {
  const root = document.documentElement;
  const key = "feature-atlas-theme";
  root.classList.add("scripted");

  const stored = () => {
    try { return localStorage.getItem(key); } catch { return null; }
  };
  const choice = stored();
  if (choice === "light" || choice === "dark") root.dataset.theme = choice;

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    try { localStorage.setItem(key, theme); } catch { /* a private window keeps nothing */ }
    document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  });
})();
