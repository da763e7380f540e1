// The card of a token: what was measured on it, on hover and on keyboard focus. A line is one tab stop;
// inside it the arrow keys step from token to token, Home and End go to its ends, Escape closes. The
// same numbers stand in the table of an example's own address, for readers without scripts.
const card = document.createElement("div");
card.className = "token-card";
card.setAttribute("role", "status");
card.hidden = true;
document.body.append(card);

const minus = (text) => text.replaceAll("-", "−");
const shown = (text) => text.replaceAll(" ", "·").replaceAll("\n", "↵").replaceAll("\t", "→");
const tokensOf = (line) => [...line.querySelectorAll("i")];

// What is known of a token: its own line's data, and that of the line above or beneath it.
const facts = (token) => {
  const line = token.closest(".line");
  const index = tokensOf(line).indexOf(token);
  const lines = [...line.closest(".example-text").querySelectorAll(".line")];
  const upper = lines[0];
  const measured = lines.find((other) => other.dataset.baseline);
  const peak = tokensOf(upper).findIndex((other) => other.matches(".peak"));
  const ids = upper.dataset.ids.split(" ");
  const activation = (upper.dataset.activations ?? "").split(" ")[index] || "0";
  const effect = (measured?.dataset.effects ?? "").split(" ")[index];
  const away = index - peak;
  const rows = [
    ["token", shown(token.textContent), "mono"],
    ["id", ids[index]],
    ["position", `${Number(upper.dataset.start) + index} (${away === 0 ? "the peak" : `${away > 0 ? "+" : "−"}${Math.abs(away)} from the peak`})`],
    ["activation", activation === "0" && tokensOf(upper)[index].matches(".uncounted") ? "not counted" : minus(activation)],
  ];
  if (measured) rows.push([card.dataset.verb, effectText(effect, Number(measured.dataset.baseline), away)]);
  return rows;
};

const effectText = (effect, baseline, away) => {
  if (!effect || effect === "-") return away > 0 ? "after the peak" : "not measured";
  const value = Number(effect);
  const percent = baseline > 0 ? ` (${value > 0 ? "+" : ""}${(100 * value / baseline).toFixed(1)}%)` : "";
  return minus(`${value > 0 ? "+" : ""}${effect}${percent}`);
};

let at = null;

const show = (token) => {
  at?.classList.remove("at");
  at = token;
  at.classList.add("at");
  card.dataset.verb = document.querySelector("[data-ablation]")?.dataset.ablation ?? "effect";
  const list = document.createElement("dl");
  for (const [name, value, css] of facts(token)) {
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

// Beneath its token, or above where there is no room.
const place = (token) => {
  const box = token.getClientRects()[0] ?? token.getBoundingClientRect();
  card.style.left = `${Math.max(8, Math.min(box.left, innerWidth - card.offsetWidth - 8))}px`;
  const below = box.bottom + 8 + card.offsetHeight < innerHeight;
  card.style.top = `${below ? box.bottom + 8 : box.top - card.offsetHeight - 8}px`;
};

const hide = () => {
  card.hidden = true;
  at?.classList.remove("at");
  at = null;
};

const tokenOf = (target) => (target.closest?.(".line") ? target.closest("i") : null);

document.addEventListener("pointerover", (event) => {
  const token = tokenOf(event.target);
  if (token) show(token);
  else if (at && document.activeElement !== at.closest(".line")) hide();
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches(".line") && event.target.matches(":focus-visible")) {
    show(event.target.querySelector(".peak") ?? event.target.querySelector("i"));
  }
});
document.addEventListener("focusout", (event) => { if (event.target.matches(".line")) hide(); });
// The card goes with its token while the page scrolls.
document.addEventListener("scroll", () => { if (at) place(at); }, { passive: true, capture: true });
document.addEventListener("refreshed", () => { if (at && !at.isConnected) hide(); });

document.addEventListener("keydown", (event) => {
  const line = event.target.closest?.(".line");
  if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { hide(); return; }
  const tokens = tokensOf(line);
  const current = tokens.indexOf(at);
  const next = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: tokens.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (tokens[next]) show(tokens[next]);
});
