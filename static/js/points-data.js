// The numbers behind charts of a whole dictionary, fetched once for each address, and the words on
// single features. Knows no chart.
const asked = new Map();
const once = (url) => {
  if (!asked.has(url)) {
    asked.set(url, fetch(url).then((answer) => {
      if (!answer.ok) throw new Error(`${answer.status} at ${url}`);
      return answer.json();
    }).catch((error) => { asked.delete(url); throw error; }));
  }
  return asked.get(url);
};

// Where a value stands on an axis: 0 at its low end, 1 at its high end, NaN where it has no place.
export const place = ({ low, high, log }, value) => {
  if (value === null) return NaN;
  if (!log) return (value - low) / (high - low);
  return value > 0 ? Math.log(value / low) / Math.log(high / low) : NaN;
};
// The value at a place.
export const valueAt = ({ low, high, log }, at) => (log ? low * (high / low) ** at : low + at * (high - low));

// A value in three digits, shares as percentages.
export const write = ({ share }, value) => {
  if (value === null) return "–";
  const shown = share ? 100 * value : value;
  return `${Number(shown.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 })}${share ? "%" : ""}`.replace("-", "−");
};

// The columns at an address, each with the places of its values on its axis.
export const loadPoints = async (url) => {
  const points = await once(url);
  for (const column of [points.x, points.y, points.color]) {
    if (column) column.places ??= Float64Array.from(column.values, (value) => place(column, value));
  }
  return points;
};

// Its label, if a feature has one, and the [kind, text] pieces of its short form; `base` is the
// dictionary's address with a slash.
export const loadShort = async (base, index) => {
  const { short, label } = await once(`${base}points/${index}.json`);
  return label ? [["label", label], ...short] : short;
};
