// A text is run through the model while it is typed (form[data-live]): once the typing pauses, what
// is still on its way is dropped, and the result takes its place in [data-live-result]. A link in
// the result that only looks at it another way is followed in place. On a page of its own
// (data-live="page") the address follows; without this script the form leads there.

const PAUSE = 250; // milliseconds

const start = (form, place) => {
  const text = form.querySelector("textarea");
  const ownPage = form.dataset.live === "page";
  let timer;
  let running;

  const show = async (href) => {
    running?.abort();
    const own = (running = new AbortController());
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(href, { signal: own.signal, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live-result]") ?? page.querySelector("main .page-head");
      const focused = place.contains(document.activeElement);
      const open = [...place.querySelectorAll("details[id][open]")].map((details) => details.id);
      place.replaceChildren(...(fresh?.childNodes ?? []));
      for (const id of open) place.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
      if (focused) place.querySelector("[aria-current]")?.focus({ preventScroll: true });
      if (ownPage && answer.ok) history.replaceState(null, "", answer.url);
    } catch (error) {
      if (error.name === "AbortError") return;
      const said = document.createElement("p");
      said.className = "live-problem";
      said.setAttribute("role", "alert");
      said.textContent = "The server can't be reached: what you typed is still here.";
      place.replaceChildren(said);
    }
    if (running === own) place.removeAttribute("aria-busy");
  };

  const typed = () => {
    clearTimeout(timer);
    if (text.value === "") {
      running?.abort();
      place.replaceChildren();
      place.removeAttribute("aria-busy");
      return;
    }
    const url = new URL(form.action);
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    url.search = new URLSearchParams(fields).toString();
    show(url);
  };

  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(typed, PAUSE);
  });
  form.addEventListener("change", (event) => { if (event.target !== text) typed(); });

  // Forms of the result ask for another token or span; a long text's tokens are no links.
  const ask = (inner) => {
    const url = new URL(inner.action);
    const fields = [...new FormData(inner)].filter(([, value]) => value !== "");
    url.search = new URLSearchParams(fields).toString();
    show(url.href);
  };

  place.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(event.target);
  });

  place.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const token = event.target.closest(".live-text > :is(i, u)");
    if (token) {
      const inner = place.querySelector(".live-span");
      const at = [...token.parentElement.children].indexOf(token);
      const { position, start: from, stop } = inner.elements;
      if (position) position.value = at; else [from.value, stop.value] = [at, at + 1];
      ask(inner);
      return;
    }
    const link = event.target.closest("a");
    if (!link || link.pathname !== new URL(form.action).pathname || link.closest(".legend")) return;
    event.preventDefault();
    show(link.href);
  });
};

for (const form of document.querySelectorAll("form[data-live]")) {
  const place = form.parentElement.querySelector("[data-live-result]");
  if (place) start(form, place);
}
