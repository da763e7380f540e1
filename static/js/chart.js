// Puts Plotly in the place of a chart the server has drawn (figure[data-chart]), at the same size, once
// the chart is near the screen. The figure is JSON beside it; colours and type are those of the
// current theme and follow it. Without this script the drawing stays.
const source = document.querySelector("script[data-plotly]").dataset.plotly;
let loading = null;

const loadPlotly = () => {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("Plotly could not be loaded")));
    document.head.append(script);
  });
  return loading;
};

// A colour of the style sheet as the browser resolves it now: light-dark() included.
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
const colour = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};
const rem = (size) => size * parseFloat(getComputedStyle(document.documentElement).fontSize);

// The bars of a histogram: each says its borders, its count and its share of all.
const bars = (trace) => {
  const { x0, dx, y, meta } = trace;
  const ramp = Array.from({ length: 10 }, (_, step) => colour(`heat-${step}`));
  const total = y.reduce((sum, count) => sum + count, 0) || 1;
  const border = (bin) => Number((x0 + dx * (bin - 0.5)).toPrecision(4));
  return {
    ...trace,
    customdata: y.map((count, bin) => [border(bin), border(bin + 1), count / total]),
    hovertemplate: `%{customdata[0]} – %{customdata[1]}<br>%{y:,} ${meta.noun} (%{customdata[2]:.1%})<extra></extra>`,
    marker: { color: meta.heat?.map((step) => ramp[step]) ?? colour("bar") },
  };
};

// Marks at the foot of the bars, each with its name.
const rug = (trace) => ({
  ...trace,
  y: trace.x.map(() => 0.04),
  hovertemplate: "%{text}<extra></extra>",
  marker: { symbol: "line-ns-open", size: 5, color: colour("ink-2") },
  cliponaxis: false,
});

const themed = (figure) => {
  const font = { family: getComputedStyle(document.body).fontFamily, size: rem(0.6875), color: colour("ink-3") };
  const axis = { gridcolor: colour("rule"), linecolor: colour("rule-strong"), zeroline: false, showline: true, ticks: "" };
  const { xaxis, yaxis } = figure.layout;
  const data = figure.data.map((trace) => (trace.type === "bar" ? bars(trace) : rug(trace)));
  const log = yaxis.type === "log";
  const layout = {
    ...figure.layout,
    font,
    bargap: 0.1,
    showlegend: false,
    margin: { l: rem(2.75), r: rem(0.5), t: rem(1.35), b: rem(2.4), pad: 0 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
    hoverlabel: { bgcolor: colour("paper-raised"), bordercolor: colour("rule-strong"), font: { ...font, size: rem(0.75), color: colour("ink") } },
    xaxis: { ...xaxis, ...axis, showgrid: false, tickmode: "array", ticklabeloverflow: "allow", title: { ...xaxis.title, standoff: 6, font: { ...font, color: colour("ink-2") } } },
    yaxis: { ...yaxis, ...axis, fixedrange: true, showline: false, title: { text: "" }, nticks: 5, dtick: log ? 1 : undefined },
    // the name of the counts stands where the drawing has it: over the axis, not turned
    annotations: [{
      text: yaxis.title.text, showarrow: false, font: { ...font, color: colour("ink-2") },
      xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom", xshift: -rem(2.75) - 1, yshift: 2,
    }],
  };
  return { data, layout };
};

const config = { displayModeBar: false, responsive: true, showTips: false, displaylogo: false };

const draw = async (element) => {
  const area = element.querySelector(".chart-area");
  if (!element.figure) {
    element.figure = JSON.parse(element.querySelector("[data-figure]").textContent);
    element.plot = document.createElement("div");
    element.plot.className = "chart-plotly";
    // the drawing keeps speaking for the chart; the same picture twice would be read twice
    element.plot.setAttribute("aria-hidden", "true");
    area.append(element.plot);
  }
  const Plotly = await loadPlotly();
  const { data, layout } = themed(element.figure);
  await Plotly.react(element.plot, data, layout, config);
  if (!element.dataset.ready) element.plot.on("plotly_click", (event) => follow(element, event));
  area.classList.add("ready");
  element.dataset.ready = element.figure.layout.yaxis.type;
};

// A click on a bar is a click on its link in the server's drawing, with the same keys held.
const follow = (element, { points, event }) => {
  const bar = points.find((point) => point.data.type === "bar");
  const links = [...element.querySelectorAll(".chart-links a")];
  const filled = element.figure.data[0].y.map((count, index) => (count ? index : -1)).filter((index) => index >= 0);
  const link = bar && links[filled.indexOf(bar.pointIndex)];
  if (!link) return;
  const { ctrlKey, metaKey, shiftKey } = event ?? {};
  link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
};

// The links of a chart are one tab stop, the chosen one or the first; the arrow keys step among them.
const rove = (root) => {
  for (const group of root.querySelectorAll(".chart-links")) {
    const links = [...group.querySelectorAll("a")];
    const stop = group.querySelector("[aria-current]") ?? links[0];
    for (const link of links) link.setAttribute("tabindex", link === stop ? "0" : "-1");
  }
};

document.addEventListener("keydown", (event) => {
  const link = event.target.closest?.(".chart-links a");
  if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...link.closest(".chart-links").querySelectorAll("a")];
  const at = links.indexOf(link);
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: links.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (!links[next]) return;
  for (const other of links) other.setAttribute("tabindex", "-1");
  links[next].setAttribute("tabindex", "0");
  links[next].focus();
});

const drawn = () => document.querySelectorAll("figure[data-chart][data-ready]");
const attempt = (element) => draw(element).catch((error) => console.warn(`${error.message}; the drawn chart stays.`));

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    attempt(entry.target);
  }
}, { rootMargin: "200px" });

const attach = (root) => {
  for (const element of root.querySelectorAll("figure[data-chart]:not([data-ready])")) observer.observe(element);
};

const redraw = () => { for (const element of drawn()) attempt(element); };
document.addEventListener("themechange", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.addEventListener("refreshed", (event) => { attach(event.target); rove(event.target.parentElement); });
// A switch of the page's scale: only the axis changes, in place.
document.addEventListener("scalechange", (event) => {
  for (const element of event.target.querySelectorAll("figure[data-chart]")) {
    if (!element.figure) element.figure = JSON.parse(element.querySelector("[data-figure]").textContent);
    element.figure.layout.yaxis.type = event.detail;
    if (element.dataset.ready) attempt(element);
  }
});

rove(document);
const start = () => attach(document);
if (document.readyState === "complete") start(); else addEventListener("load", start);
