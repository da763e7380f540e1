// The card of a token: what was measured on it, on hover and on keyboard focus. A line is one tab stop;
// inside it the arrow keys step from token to token, Home and End go to its ends. A click or Enter pins
// the card and offers what can be asked about the token; Escape or a click elsewhere closes it, and the
// focus goes back to where it was. The same numbers and links stand in the table of an example's own
// address, for readers without scripts. Reads the data of lines (token_line.py) and of their section.
import { copy, say } from "./clipboard.js";

const card = document.createElement("div");
card.className = "token-card";
card.setAttribute("role", "status");
card.hidden = true;
document.body.append(card);

const TOKEN = "i, u";
const VERBS = { delete: "deleting it", replace: "replacing it" };

const minus = (text) => text.replaceAll("-", "−");
const visible = (text) => text.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "→");
const number = (text) => minus(text.replace(/^(-?)\./, "$10."));
const tokensOf = (line) => [...line.querySelectorAll(TOKEN)];

// A token with its place: the line above has the ids and activations of all lines of an example.
const placeOf = (token) => {
  const line = token.closest(".line");
  const index = tokensOf(line).indexOf(token);
  const lines = [...line.closest(".example-text").querySelectorAll(".line")];
  const [upper] = lines;
  const peak = tokensOf(upper).findIndex((other) => other.matches(".peak"));
  return { token, index, lines, upper, away: index - peak, position: Number(upper.dataset.start) + index };
};

// An import's texts may begin anywhere: then a place counts from the text's own first token.
const placeSaid = (line, position) => {
  const first = line.closest("[data-first-position]")?.dataset.firstPosition;
  if (first === "") return `token ${position + 1} of the text`;
  return `${position + Number(first ?? 0)}`;
};

const facts = ({ token, index, lines, upper, away, position }) => {
  const activation = (upper.dataset.activations ?? "").split(" ")[index] || "0";
  const uncounted = activation === "0" && tokensOf(upper)[index].matches(".uncounted");
  const rows = [
    ["token", visible(token.textContent), "mono"],
    ["id", upper.dataset.ids.split(" ")[index]],
    ["position", `${placeSaid(upper, position)} (${away === 0 ? "the peak" : `${away > 0 ? "+" : "−"}${Math.abs(away)} from the peak`})`],
    ["activation", uncounted ? "not counted" : number(activation)],
  ];
  const on = token.closest("[data-effect]")?.dataset.effect === "hidden_pre" ? ", pre-activation" : "";
  for (const [mode, verb] of Object.entries(VERBS)) {
    const line = lines.find((other) => other.dataset[mode] !== undefined);
    if (!line) continue;
    rows.push([verb + on, effectText(line.dataset[mode].split(" ")[index], Number(line.dataset[`${mode}Baseline`]), away)]);
  }
  return rows;
};

const effectText = (effect, baseline, away) => {
  if (!effect || effect === "-") return away > 0 ? "after the peak" : "not measured";
  const value = Number(effect);
  const sign = value > 0 ? "+" : "";
  const percent = baseline > 0 ? ` (${sign}${(100 * value / baseline).toFixed(1)}%)` : "";
  return sign + number(effect) + minus(percent);
};

// What can be asked about a token. Its exact text stands on it where what is shown is another.
const questions = ({ token, index, upper, position }) => {
  const example = token.closest(".example");
  const section = token.closest("[data-search]");
  const found = [];
  const shortened = token.textContent.includes("…(+");
  if (section && (token.dataset.text !== undefined || !shortened)) {
    const url = new URL(section.dataset.search, location.href);
    url.searchParams.set("q", token.dataset.text === undefined ? token.textContent : decodeURIComponent(token.dataset.text));
    url.searchParams.set("token", upper.dataset.ids.split(" ")[index]);
    found.push(["features that fire on this token", url.pathname + url.search]);
  }
  const context = example?.querySelector("a.document[href]");
  if (context) {
    const url = new URL(context.href);
    url.searchParams.set("position", position);
    found.push(["this token in its whole context", url.pathname + url.search]);
  }
  const own = example?.querySelector("a.own[href]");
  if (own) found.push(["every value of this example", own.getAttribute("href")]);
  return found;
};

// A line is a tab stop only where a script answers to it.
const makeStops = () => { for (const line of document.querySelectorAll("div.line")) line.tabIndex = 0; };
makeStops();
document.addEventListener("refreshed", makeStops);

let at = null;
let pinned = false;
let before = null;
let returning = false;

const show = (token) => {
  at?.classList.remove("at");
  at = token;
  at.classList.add("at");
  const list = document.createElement("dl");
  for (const [name, value, css] of facts(placeOf(token))) {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = value;
    if (css) dd.className = css;
    list.append(dt, dd);
  }
  card.replaceChildren(list);
  card.hidden = false;
  place(token);
};

// Keeps the card where it is, with its links; the first gets the focus where a key asked for it.
const pin = (token, byKey) => {
  before = document.activeElement;
  show(token);
  pinned = true;
  card.classList.add("pinned");
  card.setAttribute("role", "group");
  card.setAttribute("aria-label", "About this token");
  const list = document.createElement("ul");
  for (const [name, href] of questions(placeOf(token))) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = name;
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  const own = token.closest(".example")?.querySelector("a.own[href]");
  if (own) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy the address of this example";
    button.addEventListener("click", async () => say(button, (await copy(own.href)) ? "copied" : "not copied"));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  card.append(list);
  place(token);
  if (byKey) card.querySelector("a")?.focus();
};

// Beneath its token, or above where there is no room.
const place = (token) => {
  const box = token.getClientRects()[0] ?? token.getBoundingClientRect();
  card.style.left = `${Math.max(8, Math.min(box.left, innerWidth - card.offsetWidth - 8))}px`;
  const below = box.bottom + 8 + card.offsetHeight < innerHeight;
  card.style.top = `${below ? box.bottom + 8 : Math.max(8, box.top - card.offsetHeight - 8)}px`;
};

const hide = () => {
  const back = pinned && card.contains(document.activeElement) ? before : null;
  pinned = false;
  card.hidden = true;
  card.classList.remove("pinned");
  card.setAttribute("role", "status");
  card.removeAttribute("aria-label");
  at?.classList.remove("at");
  at = null;
  returning = true;
  if (back?.isConnected) back.focus({ preventScroll: true });
  returning = false;
};

const tokenOf = (target) => (target.closest?.(".line") ? target.closest(TOKEN) : null);

document.addEventListener("pointerover", (event) => {
  if (pinned) return;
  const token = tokenOf(event.target);
  if (token) show(token);
  else if (at && document.activeElement !== at.closest(".line")) hide();
});
document.addEventListener("click", (event) => {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (card.contains(event.target)) return;
  const token = tokenOf(event.target);
  const same = pinned && token === at;
  if (pinned) hide();
  // A text that is being selected is not a question about a token.
  if (token && !same && getSelection()?.isCollapsed !== false) pin(token, false);
});
document.addEventListener("focusin", (event) => {
  if (!pinned && !returning && event.target.matches(".line") && event.target.matches(":focus-visible")) {
    show(event.target.querySelector(".peak") ?? event.target.querySelector(TOKEN));
  }
});
document.addEventListener("focusout", (event) => {
  if (pinned) {
    if (card.contains(event.target) && event.relatedTarget && !card.contains(event.relatedTarget)) hide();
  } else if (event.target.matches(".line")) hide();
});
// The card goes with its token while the page scrolls.
document.addEventListener("scroll", () => { if (at) place(at); }, { passive: true, capture: true });
document.addEventListener("refreshed", () => { if (at && !at.isConnected) hide(); });

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !card.hidden) {
    event.preventDefault();
    hide();
    return;
  }
  const line = event.target.closest?.(".line");
  if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
  const tokens = tokensOf(line);
  const current = tokens.indexOf(at);
  if (event.key === "Enter" && tokens[current]) {
    event.preventDefault();
    pin(tokens[current], true);
    return;
  }
  const next = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: tokens.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (pinned) hide();
  if (tokens[next]) show(tokens[next]);
});
