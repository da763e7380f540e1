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

const themed = (figure) => {
  const font = { family: getComputedStyle(document.body).fontFamily, size: rem(0.6875), color: colour("ink-3") };
  const axis = { gridcolor: colour("rule"), linecolor: colour("rule-strong"), zeroline: false, showline: true, ticks: "" };
  const { xaxis, yaxis } = figure.layout;
  const ramp = Array.from({ length: 10 }, (_, step) => colour(`heat-${step}`));
  const data = figure.data.map((trace) => ({
    ...trace,
    marker: { ...trace.marker, color: trace.meta?.heat.map((step) => ramp[step]) ?? colour("bar") },
  }));
  const log = yaxis.type === "log";
  const layout = {
    ...figure.layout,
    font,
    margin: { l: rem(2.75), r: rem(0.5), t: rem(1.35), b: rem(2.4), pad: 0 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
    hoverlabel: { bgcolor: colour("paper-raised"), bordercolor: colour("rule-strong"), font: { ...font, size: rem(0.75), color: colour("ink") } },
    xaxis: { ...xaxis, ...axis, ticklabeloverflow: "allow", title: { ...xaxis.title, standoff: 6, font: { ...font, color: colour("ink-2") } } },
    yaxis: { ...yaxis, ...axis, showline: false, title: { text: "" }, nticks: 5, dtick: log ? 1 : undefined },
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
  area.classList.add("ready");
  element.dataset.ready = element.figure.layout.yaxis.type;
};

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
document.addEventListener("refreshed", (event) => attach(event.target));
// A switch of the page's scale: only the axis changes, in place.
document.addEventListener("scalechange", (event) => {
  for (const element of event.target.querySelectorAll("figure[data-chart]")) {
    if (!element.figure) element.figure = JSON.parse(element.querySelector("[data-figure]").textContent);
    element.figure.layout.yaxis.type = event.detail;
    if (element.dataset.ready) attempt(element);
  }
});

const start = () => attach(document);
if (document.readyState === "complete") start(); else addEventListener("load", start);
