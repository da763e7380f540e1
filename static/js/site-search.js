// Search in a static copy: looks a text up in small files by its first two characters and lists the
// features that fire on, promote or suppress such tokens, those whose words match, and the number.
const box = document.querySelector("[data-site-search]");
const field = document.querySelector('input[name="q"]');

// As the exporter cuts: leading spaces off, small letters, two characters, hexadecimal of UTF-8.
const shardOf = (text) => {
  const start = [...text.replace(/^ +/, "").toLowerCase()].slice(0, 2).join("");
  return [...new TextEncoder().encode(start)].map((byte) => byte.toString(16).padStart(2, "0")).join("") || "00";
};

const load = async (url) => {
  const answer = await fetch(url);
  return answer.ok ? answer.json() : null;
};

const make = (tag, css, text) => {
  const element = document.createElement(tag);
  if (css) element.className = css;
  if (text !== undefined) element.textContent = text;
  return element;
};

const shown = (token) => token.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "→");
const percent = (share) => `${Number((100 * share).toPrecision(2))}%`;
const signed = (value) => `${value > 0 ? "+" : "−"}${Math.abs(value)}`;

const TITLES = {
  fires: ["Fires on", "by share of the feature’s activation on the token"],
  promotes: ["Promotes", "direct effect on the token’s logit, per unit of activation"],
  suppresses: ["Suppresses", "direct effect on the token’s logit, per unit of activation"],
};

// Exact tokens where there are any, else those that begin so.
const matching = (entries, text) => {
  const wanted = text.replace(/^ +/, "").toLowerCase();
  const bare = (entry) => entry[0].replace(/^ +/, "").toLowerCase();
  const exact = entries.filter((entry) => bare(entry) === wanted);
  return exact.length ? exact : entries.filter((entry) => bare(entry).startsWith(wanted)).slice(0, 20);
};

const strongest = (tokens, mode) => {
  const best = new Map();
  for (const [token, count, rankings] of tokens) {
    for (const [feature, score, firings] of rankings[mode] ?? []) {
      const known = best.get(feature);
      if (!known || Math.abs(score) > Math.abs(known.score)) best.set(feature, { feature, score, firings, count, token });
    }
  }
  return [...best.values()].sort((a, b) => Math.abs(b.score) - Math.abs(a.score) || a.feature - b.feature).slice(0, 20);
};

// Which files there are, so that none is asked for in vain.
const listed = async (root, name, fallback) => {
  if (!loaded.has(root)) loaded.set(root, load(`${root}files.json`));
  const file = `${name}.json`;
  if (!(await loaded.get(root))?.includes(file)) return fallback;
  if (!loaded.has(root + file)) loaded.set(root + file, load(root + file));
  return (await loaded.get(root + file)) ?? fallback;
};
const loaded = new Map();

const nameOf = async (root, feature) => (await listed(root, `names/${Math.floor(feature / 256)}`, {}))[feature];

const table = async (section, title, note, rows) => {
  const panel = make("section", "panel");
  const head = make("div", "panel-head");
  head.append(make("h3", "", title), make("p", "", note));
  const list = make("table", "rows-loose results");
  const body = make("tbody");
  const home = section.querySelector("h2 a").href;
  for (const row of rows) {
    const known = await nameOf(section.dataset.root, row.feature);
    if (!known) continue;
    const line = make("tr");
    const name = make("th");
    name.scope = "row";
    const [short, density, called] = known;
    const link = make("a", "feature-name", called ? undefined : short);
    if (called) link.append("“", make("bdi", "", called), "”");
    link.href = new URL(`./${row.feature}/`, home);
    const label = make("span", "result-name");
    label.append(link, " ", make("span", "quiet", row.feature));
    if (called) label.append(make("span", "feature-short", short));
    name.append(label);
    line.append(name);
    for (const cell of row.cells) line.append(make("td", "num", cell));
    if (row.token !== undefined) {
      const cell = make("td");
      cell.append(make("code", "token-name", shown(row.token)));
      line.append(cell);
    }
    line.append(make("td", "num extra", density === null ? "" : `${percent(density)} density`));
    body.append(line);
  }
  list.append(body);
  panel.append(head, list);
  return body.children.length ? panel : null;
};

const search = async (section, text) => {
  const { root } = section.dataset;
  const panels = [];
  if (/^#?\d{1,9}$/.test(text.trim())) {
    const feature = Number(text.trim().replace("#", ""));
    panels.push(await table(section, "By number", "", [{ feature, cells: [] }]));
  }
  const tokens = matching(await listed(root, `tokens/${shardOf(text)}`, []), text);
  for (const mode of Object.keys(TITLES)) {
    const rows = strongest(tokens, mode).map((hit) => ({
      feature: hit.feature,
      token: hit.token,
      cells: mode === "fires" ? [percent(hit.score), `${hit.firings.toLocaleString("en")} of ${hit.count.toLocaleString("en")}`] : [signed(hit.score)],
    }));
    panels.push(await table(section, ...TITLES[mode], rows));
  }
  const word = text.trim().toLowerCase();
  const words = await listed(root, `words/${shardOf(word)}`, {});
  const features = Object.keys(words).filter((key) => key.startsWith(word)).flatMap((key) => words[key]);
  const unique = [...new Set(features)].slice(0, 20).map((feature) => ({ feature, cells: [] }));
  panels.push(await table(section, "In words", "short form, summary or label has it", unique));
  const found = panels.filter(Boolean);
  section.querySelector(".results-grid").replaceChildren(...(found.length ? found : [make("p", "note", "Nothing in this dictionary.")]));
};

const text = new URLSearchParams(location.search).get("q") ?? "";
if (field) field.value = text;
if (box && text.trim()) for (const section of box.querySelectorAll("[data-sae]")) search(section, text);
if (field && !text) field.focus();
