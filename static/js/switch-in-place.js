// Links that change the view without leaving the page. They work without a script by loading the
// page anew; here the parts that change (data-refresh) are fetched and put in place, so that the
// reader's place on the page is kept, and the address always says what is seen.
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
    part.replaceWith(adopted);
    adopted.dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
  }
  return true;
};

const withoutHash = (url) => { const bare = new URL(url); bare.hash = ""; return bare.href; };

const go = async (link) => {
  const { href } = link;
  const name = link.closest("[data-in-place]").dataset.inPlace;
  const focused = document.activeElement === link;
  try {
    if (!(await refresh(href))) return;
  } catch {
    location.assign(href);
    return;
  }
  history.pushState(null, "", withoutHash(href));
  seen = location.search;
  if (focused) document.querySelector(`[data-in-place="${name}"] [aria-current]`)?.focus({ preventScroll: true });
};

// Links of this same page keep the view; one argument of theirs changes when it changes here.
const carry = (name, value) => {
  for (const link of document.querySelectorAll("main a[href]")) {
    if (link.pathname !== location.pathname || link.closest("[data-switch]")) continue;
    const url = new URL(link.href);
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

// Back and forward: only another view needs fetching, not a jump inside the page.
addEventListener("popstate", () => {
  if (location.search === seen) return;
  seen = location.search;
  refresh(location.href).catch(() => location.reload());
});
