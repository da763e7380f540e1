// In a static copy a group of examples is a file beside the feature's own (top.html, and top-13.html
// from its fourteenth on). This keeps the server's addresses: ?group=top shows that file's examples in
// place, and a file opened by itself takes the address of the view. A random feature is drawn from the copy's own list.
const FILE = /\/(mix|top|interval|quantile|silent)(?:-(\d+))?\.html$/;

const parts = (root) => new Map([...root.querySelectorAll("[data-refresh]")].map((part) => [part.dataset.refresh, part]));

const fileOf = (url) => {
  const { group = "mix", start } = Object.fromEntries(url.searchParams);
  if (group === "mix" && !start) return new URL("./", url).href;
  return new URL(`./${group}${start ? `-${start}` : ""}.html`, url).href;
};

const viewOf = (url) => {
  const [, group, start] = url.pathname.match(FILE) ?? [];
  const view = new URL("./", url);
  if (group && group !== "mix") view.searchParams.set("group", group);
  if (start) view.searchParams.set("start", start);
  return view;
};

const show = async (url) => {
  const answer = await fetch(fileOf(url));
  if (!answer.ok) throw new Error(`${answer.status} at ${fileOf(url)}`);
  const fresh = parts(new DOMParser().parseFromString(await answer.text(), "text/html"));
  for (const [name, part] of parts(document)) {
    const other = fresh.get(name);
    if (!other) continue;
    const adopted = document.importNode(other, true);
    part.replaceWith(adopted);
    adopted.dispatchEvent(new CustomEvent("refreshed", { bubbles: true }));
  }
  if (url.hash) document.getElementById(url.hash.slice(1))?.scrollIntoView();
};

if (FILE.test(location.pathname)) {
  const view = viewOf(new URL(location.href));
  history.replaceState(null, "", view.href + location.hash);
} else if (/[?&](group|start)=/.test(location.search)) {
  show(new URL(location.href)).catch(() => { /* the mix stays */ });
}

document.addEventListener("click", async (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("a[href]");
  if (!link) return;
  if (link.dataset.siteRandom) {
    event.preventDefault();
    const choice = await (await fetch(link.dataset.siteRandom)).json();
    const index = choice[Math.floor(Math.random() * choice.length)];
    location.assign(new URL(`../${index}/`, link.href));
    return;
  }
  const nav = link.closest("[data-in-place]");
  if (!nav) return;
  event.preventDefault();
  const name = nav.dataset.inPlace;
  const view = viewOf(new URL(link.href));
  try {
    await show(view);
  } catch {
    location.assign(link.href);
    return;
  }
  history.pushState(null, "", view.href);
  document.querySelector(`[data-in-place="${name}"] [aria-current]`)?.focus({ preventScroll: true });
});

addEventListener("popstate", () => { show(new URL(location.href)).catch(() => location.reload()); });
