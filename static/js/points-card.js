// The ring around a dot and the card that names it: number, short form, the values it was drawn by.
// The short form is fetched for the dot at rest, not for every dot the pointer flies over.
import { loadShort, write } from "./points-data.js";

const REST = 60;

const piece = ([kind, text]) => {
  const element = document.createElement(kind === "token" ? "code" : kind === "number" ? "b" : "span");
  if (kind === "token") element.className = "token-name";
  element.textContent = text;
  if (kind !== "label") return element;
  // Whatever direction the label runs in, the quotation marks stand around it.
  element.replaceChildren("“", Object.assign(document.createElement("bdi"), { textContent: text }), "” ");
  element.className = "feature-label";
  return element;
};

export class Card {
  // area: element the ring lies in; said: element whose text is read aloud; base: the dictionary's
  // address with a slash.
  constructor(area, said, base) {
    this.index = -1;
    this.base = base;
    this.said = said;
    this.ring = document.createElement("span");
    this.ring.className = "point-ring";
    this.card = document.createElement("div");
    this.card.className = "point-card";
    this.hide();
    area.append(this.ring, this.card);
  }

  // Shows dot `index` at (x, y) pixels of the area; columns are [column, value] pairs.
  show(index, x, y, columns, aloud = false) {
    this.move(x, y);
    if (index === this.index) return;
    this.index = index;
    const title = document.createElement("p");
    const number = document.createElement("b");
    number.textContent = `#${index}`;
    const words = document.createElement("span");
    title.append(number, words);
    const list = document.createElement("dl");
    const values = columns.filter(([column]) => column);
    for (const [column, value] of values) {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = column.label;
      dd.textContent = write(column, value);
      list.append(dt, dd);
    }
    this.card.replaceChildren(title, list);
    this.card.hidden = false;
    this.#place();
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const pieces = await loadShort(this.base, index).catch(() => []);
      if (this.index !== index) return;
      words.replaceChildren(...pieces.map(piece));
      this.#place();
      if (!aloud || !this.said) return;
      const spoken = values.map(([column, value]) => `${column.label} ${write(column, value)}`);
      this.said.textContent = `Feature ${index}, ${words.textContent}; ${spoken.join(", ")}`;
    }, REST);
  }

  // The ring and the card follow their dot.
  move(x, y) {
    this.ring.style.left = `${x}px`;
    this.ring.style.top = `${y}px`;
    this.ring.hidden = false;
    if (!this.card.hidden) this.#place();
  }

  hide() {
    clearTimeout(this.timer);
    this.index = -1;
    this.ring.hidden = true;
    this.card.hidden = true;
  }

  remove() { this.hide(); this.card.remove(); this.ring.remove(); }

  #place() {
    const dot = this.ring.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.card;
    this.card.style.left = `${Math.max(8, Math.min(dot.right + 8, innerWidth - width - 8))}px`;
    const above = dot.top - height - 6;
    this.card.style.top = `${above > 8 ? above : dot.bottom + 6}px`;
  }
}
