// Links and forms that change the view without leaving the page (inside or on [data-in-place]). They
// work without a script by loading the page anew; here the parts that change (data-refresh, each with
// a name) are fetched and put in place, so that the reader's place on the page is kept, and the
// address always says what is seen. Other scripts call `visit`. Each part put in place gets a
// "refreshed" event; a link with data-go goes on to its own #place.
let seen = location.search;
let asked = 0;

const parts = (root) => new Map([...root.querySelectorAll("[data-refresh]")].map((part) => [part.dataset.refresh, part]));

// Puts the parts of another view in place and says so by true; false where a later click overtook it.
const refresh = async (url) => {
  asked += 1;
  const own = asked;
  const answer = await fetch(url, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`${answer.status} at ${url}`);
  const text = await answer.text();
  if (own !== asked) return false;
  const fresh = parts(new DOMParser().parseFromString(text, "text/html"));
  for (const [name, part] of parts(document)) {
    const other = fresh.get(name);
    if (!other || other.outerHTML === part.outerHTML) continue;
    const adopted = document.importNode(other, true);
    const handOn = heirloom(part);
    part.replaceWith(adopted);
    handOn(adopted);
    adopted.dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
  }
  return true;
};

const withoutHash = (url) => { const bare = new URL(url); bare.hash = ""; return bare.href; };

// Of a link in the page or in a drawing (whose `href` is not a text).
const addressOf = (link) => new URL(link.getAttribute("href"), location.href).href;

// What a part hands on to the one that takes its place: how far it is scrolled, and lists left open.
const heirloom = (part) => {
  const kept = [...part.querySelectorAll("[id]")].filter((old) => old.scrollLeft || old.open);
  const states = kept.map(({ id, scrollLeft, open }) => ({ id, scrollLeft, open }));
  return (adopted) => {
    for (const { id, scrollLeft, open } of states) {
      const fresh = adopted.querySelector(`#${CSS.escape(id)}`);
      if (!fresh) continue;
      if (open) fresh.open = true;
      fresh.scrollLeft = scrollLeft;
    }
  };
};

// Where the keyboard is: the same place (by its id) has it again once its part is replaced.
const focusAgain = (focused) => {
  if (!focused?.id || focused.isConnected) return;
  const fresh = document.getElementById(focused.id);
  fresh?.focus({ preventScroll: true });
  if (typeof focused.selectionStart === "number" && fresh?.setSelectionRange) {
    fresh.setSelectionRange(focused.selectionStart, focused.selectionEnd);
  }
};

// What has changed, for readers who don't see it: the text of [data-said].
const said = document.createElement("div");
said.className = "visually-hidden";
said.setAttribute("role", "status");
document.body.append(said);

// Shows another view of this page: its parts are replaced, the address follows. Says so by true;
// false where a later one overtook it. Where the view can't be had, the page itself is left for it.
export const visit = async (href) => {
  const focused = document.activeElement;
  try {
    if (!(await refresh(href))) return false;
  } catch {
    location.assign(href);
    return false;
  }
  if (withoutHash(href) !== withoutHash(location.href)) history.pushState(null, "", withoutHash(href));
  seen = location.search;
  focusAgain(focused);
  said.textContent = document.querySelector("[data-said]")?.textContent ?? "";
  return true;
};

const go = async (link) => {
  const href = addressOf(link);
  const name = link.closest("[data-in-place]").dataset.inPlace;
  const focused = document.activeElement === link;
  const jump = "go" in link.dataset ? new URL(href).hash.slice(1) : "";
  if (!(await visit(href))) return;
  if (focused && !link.isConnected && document.activeElement === document.body) {
    document.querySelector(`[data-in-place="${name}"] [aria-current]`)?.focus({ preventScroll: true });
  }
  if (jump) document.getElementById(jump)?.scrollIntoView();
};

// The address a form leads to; fields left empty stay out of it.
const addressOfForm = (form) => {
  const url = new URL(form.action);
  url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== "")).toString();
  return url.href;
};

// Links of this same page keep the view; one argument of theirs changes when it changes here.
const carry = (name, value) => {
  for (const link of document.querySelectorAll("main a[href]")) {
    const url = new URL(addressOf(link));
    if (url.pathname !== location.pathname || link.closest("[data-switch]")) continue;
    if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
    link.setAttribute("href", url.pathname + url.search + url.hash);
  }
};

const switchScale = (link) => {
  const nav = link.closest("[data-switch]");
  const [first] = nav.querySelectorAll("a");
  for (const other of nav.querySelectorAll("a")) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  const { value } = link.dataset;
  nav.closest(".panel").dispatchEvent(new CustomEvent("scalechange", { bubbles: true, detail: value }));
  const url = new URL(location.href);
  // the first value is the default and stays out of addresses
  if (link === first) url.searchParams.delete(nav.dataset.switch); else url.searchParams.set(nav.dataset.switch, value);
  history.replaceState(history.state, "", url);
  seen = location.search;
  carry(nav.dataset.switch, link === first ? "" : value);
};

document.addEventListener("click", (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("a");
  if (!link) return;
  if (link.closest("[data-switch]") && link.closest(".panel").querySelector("[data-ready]")) {
    event.preventDefault();
    switchScale(link);
  } else if (link.closest("[data-in-place]")) {
    event.preventDefault();
    go(link);
  }
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-in-place]")) return;
  event.preventDefault();
  visit(addressOfForm(event.target));
});

// Back and forward: only another view needs fetching, not a jump inside the page.
addEventListener("popstate", () => {
  if (location.search === seen) return;
  seen = location.search;
  refresh(location.href).catch(() => location.reload());
});
