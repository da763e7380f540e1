// The search box suggests while one types (data-suggest has the address to ask): a combobox with a
// list of links, after the ARIA Authoring Practices. Arrows go through the list, Home and End to its
// ends, Enter follows the chosen link or, without one, submits the form as if there were no script;
// Escape closes. A newer text aborts the question about an older one. Nothing happens while an input
// method is still composing.
const WAIT = 80;

const element = (name, css, text) => {
  const made = document.createElement(name);
  if (css) made.className = css;
  if (text !== undefined) made.textContent = text;
  return made;
};

const count = new Intl.NumberFormat("en");

// A feature by its label, if somebody gave it one, else by its short form.
const feature = (item) => {
  const name = element("span", "suggest-text", item.label ? undefined : item.short);
  if (item.label) name.append("“", element("bdi", "", item.label), "”");
  return [name, `${item.sae} ${item.feature_index}`];
};

// What each group of the answer is called, and how one of its items reads: [main, beside it].
const GROUPS = [
  ["tokens", "Tokens", (item, several) => [element("code", "token-name", item.shown), `${count.format(item.n_occurrences)}×${several ? ` ${item.model}` : ""}`]],
  ["labels", "Labels", feature],
  ["features", "Features", feature],
  ["summaries", "Summaries say", feature],
  ["examples", "Examples", (item) => [element("span", "suggest-text", `“${item.text}” in the examples`), ""]],
];

const attach = (form, number) => {
  const input = form.elements.q;
  const list = element("div", "suggest-list");
  list.id = `suggest-${number}`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  form.classList.add("suggesting");
  form.append(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id })) input.setAttribute(name, value);

  let timer = 0;
  let question = null;
  let asked = "";
  let composing = false;
  let current = -1;
  const options = () => [...list.querySelectorAll("[role=option]")];

  const choose = (index) => {
    const all = options();
    all[current]?.setAttribute("aria-selected", "false");
    current = all[index] ? index : -1;
    if (current < 0) { input.removeAttribute("aria-activedescendant"); return; }
    all[current].setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", all[current].id);
    all[current].scrollIntoView({ block: "nearest" });
  };

  const open = (shown) => {
    list.hidden = !shown;
    input.setAttribute("aria-expanded", String(shown));
    if (!shown) choose(-1);
  };

  const stop = () => { clearTimeout(timer); question?.abort(); question = null; };

  const close = () => { stop(); asked = ""; open(false); };

  const draw = (answer) => {
    choose(-1);
    const several = new Set(answer.tokens.map((item) => item.model)).size > 1;
    const groups = GROUPS.flatMap(([name, heading, read]) => {
      const items = [answer[name] ?? []].flat();
      if (!items.length) return [];
      const group = element("div", "suggest-group");
      group.setAttribute("role", "group");
      const title = element("div", "suggest-heading", heading);
      title.id = `${list.id}-${name}`;
      group.setAttribute("aria-labelledby", title.id);
      const links = items.map((item, i) => {
        const link = element("a", "suggest-option");
        const [main, beside] = read(item, several);
        link.append(main, element("span", "suggest-beside", beside));
        link.id = `${title.id}-${i}`;
        link.href = item.url;
        link.tabIndex = -1;
        link.setAttribute("role", "option");
        link.setAttribute("aria-selected", "false");
        return link;
      });
      group.append(title, ...links);
      return [group];
    });
    list.replaceChildren(...groups);
    list.scrollTop = 0;
    open(groups.length > 0 && document.activeElement === input);
  };

  const ask = async () => {
    question?.abort();
    const own = new AbortController();
    question = own;
    const url = new URL(form.dataset.suggest, location.href);
    url.searchParams.set("q", asked);
    const sae = form.elements.sae?.value;
    if (sae) url.searchParams.set("sae", sae);
    try {
      const answer = await fetch(url, { signal: own.signal });
      if (!answer.ok) { open(false); return; }
      const content = await answer.json();
      if (question === own) draw(content);
    } catch {
      // overtaken by a newer text, or no server: the form still works
      if (question === own) open(false);
    }
  };

  const typed = () => {
    if (composing || input.value === asked) return;
    stop();
    asked = input.value;
    if (!asked) { open(false); return; }
    timer = setTimeout(ask, WAIT);
  };

  input.addEventListener("compositionstart", () => { composing = true; });
  input.addEventListener("compositionend", () => { composing = false; typed(); });
  input.addEventListener("input", typed);
  input.addEventListener("blur", close);
  form.addEventListener("submit", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault());

  const keys = {
    ArrowDown: () => {
      if (list.hidden) { asked = ""; typed(); return true; }
      choose(current + 1 < options().length ? current + 1 : -1);
      return true;
    },
    ArrowUp: () => {
      if (list.hidden) return false;
      choose(current < 0 ? options().length - 1 : current - 1);
      return true;
    },
    Home: () => current >= 0 && (choose(0), true),
    End: () => current >= 0 && (choose(options().length - 1), true),
    Enter: () => current >= 0 && (options()[current].click(), true),
    Escape: () => !list.hidden && (close(), true),
  };
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || composing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (keys[event.key]?.()) event.preventDefault();
  });
};

document.querySelectorAll("form[data-suggest]").forEach(attach);
