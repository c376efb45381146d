// A Plotly chart that is drawn once and then updated in place. Streamlit calls the default export again with new data or
// another theme; the node stays, so zoom, hidden curves and the open hover stay too.

const FAILED = "The chart could not be drawn, because plotly.min.js did not load. Restart the app and reload this page.";

/**
 * Load Plotly from the server's static folder, once for all charts of the page. Its address is seen from the page, since a
 * proxy may put a prefix before both; the version keeps the browser from using an older copy.
 */
function loadPlotly(version) {
  window.resnetLabPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`app/static/plotly.min.js?v=${version}`, document.baseURI);
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.resnetLabPlotly = undefined; // so that the next tick tries again
      script.remove();
      reject(new Error(FAILED));
    };
    document.head.append(script);
  });
  return window.resnetLabPlotly;
}

/** Return the figure with the theme's colours, which have the same order as the palette. */
function inThemeColours(figure, palette, themed) {
  const swap = new Map(palette.map((colour, at) => [colour, themed[at] || colour]));
  return JSON.parse(JSON.stringify(figure), (name, value) => (name === "color" && swap.get(value)) || value);
}

/** Return a theme's list of colours as Plotly's colour scale. */
const inSteps = (colours) => colours.split(",").map((colour, at, all) => [at / (all.length - 1), colour.trim()]);

/** Return the figure with the page's colours and font. */
function dressed({ figure, palette, height }, node) {
  const more = figure.layout.showlegend === false ? 0 : moreForLegend(figure.data, node.clientWidth);
  node.style.height = `${height + more}px`;
  const css = getComputedStyle(node);
  const look = (name) => css.getPropertyValue(`--st-${name}`).trim();
  const { data, layout } = inThemeColours(figure, palette, look("chart-categorical-colors").split(",").map((colour) => colour.trim()));
  const axis = { gridcolor: look("border-color"), linecolor: look("border-color"), tickcolor: look("border-color") };
  return {
    data,
    layout: {
      ...layout,
      height: height + more,
      autosize: true,
      legend: { maxheight: TALLEST, ...layout.legend },
      annotations: layout.annotations?.map((note) => (note.name === "note" ? { bgcolor: look("background-color"), ...note } : note)),
      paper_bgcolor: look("background-color"), // so that a downloaded image is readable
      font: { family: look("font"), size: 13, color: look("text-color") },
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
      hoverlabel: {
        bgcolor: look("secondary-background-color"),
        bordercolor: look("border-color"),
        font: { color: look("text-color") },
        namelength: -1,
      },
      ...(layout.coloraxis && { coloraxis: { ...layout.coloraxis, colorscale: inSteps(look("chart-sequential-colors")) } }),
      modebar: { bgcolor: "rgba(0,0,0,0)", color: look("gray-color"), activecolor: look("primary-color") },
    },
  };
}

/** Pixels of a line of the legend, and of the tallest legend. */
const ROW = 19, TALLEST = 6 * ROW;

/** Return the pixels that the legend needs beyond its first row; a long one scrolls. */
function moreForLegend(data, width) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "12px sans-serif";
  const named = data.filter((trace) => trace.name && trace.showlegend !== false);
  const names = named.map((trace) => trace.name.split("<br>"));
  const widths = names.map((lines) => Math.max(...lines.map((line) => pen.measureText(line).width)) + 45);
  const all = widths.reduce((sum, one) => sum + one, 0);
  const inRow = all <= width ? names.length : Math.max(1, Math.floor(width / Math.max(...widths)));
  let rows = 0;
  for (let at = 0; at < names.length; at += inRow) {
    rows += Math.max(...names.slice(at, at + inRow).map((lines) => lines.length));
  }
  return Math.min(Math.max(rows - 1, 0) * ROW, TALLEST - ROW);
}

/** Hide and show a raw curve with its smoothed curve, also if smoothing is switched on later. */
function hideWithCurve(data, shown) {
  const visible = new Map(shown.map((trace) => [trace.uid, trace.visible ?? true]));
  return data.map((trace) =>
    trace.uid?.endsWith(" measured") ? { ...trace, visible: visible.get(trace.uid.replace(/ measured$/, "")) ?? true } : trace,
  );
}

// One function for all draws: Plotly starts anew if the settings hold another one.
const saveSvg = (chart) => window.Plotly.downloadImage(chart, { format: "svg", filename: chart.latest.file });

function draw(Plotly, node) {
  if (!node.isConnected) return;
  if (node.failed) node.replaceChildren();
  node.failed = false;
  const { data, layout } = dressed(node.latest, node);
  const config = {
    displaylogo: false,
    // The last of these would upload the chart; nothing leaves this machine.
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],
    modeBarButtonsToAdd: [
      { name: "Download plot as SVG", icon: Plotly.Icons.disk, click: saveSvg },
    ],
    toImageButtonOptions: { filename: node.latest.file, scale: 2 },
  };
  Plotly.react(node, hideWithCurve(data, node.data ?? []), layout, config).then(() => {
    if (!node.hears) node.on("plotly_click", ({ points: [point] }) => node.report?.({ x: point.x, y: point.y }));
    node.hears = true;
    document.getElementById("js-plotly-tester")?.setAttribute("aria-hidden", "true"); // where Plotly measures text
    node.querySelectorAll(".modebar svg").forEach((icon) => icon.setAttribute("aria-hidden", "true"));
    node.querySelectorAll(".main-svg").forEach((svg, at) => {
      if (at > 0) return svg.setAttribute("aria-hidden", "true");
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", node.latest.alt);
    });
  });
}

export default function ({ data, parentElement, setTriggerValue }) {
  if (!data.figure) {
    setTimeout(() => loadPlotly(data.version).catch(() => {}), 100); // after the page itself; a chart reports a failure
    return;
  }
  const node = parentElement.querySelector(".live-chart");
  const stop = () => {
    node.resizing.disconnect();
    window.Plotly?.purge(node);
    node.looks = undefined;
    node.hears = false;
  };
  node.latest = data;
  node.report = data.clickable ? (point) => setTriggerValue("clicked", point) : undefined;
  node.classList.toggle("clickable", data.clickable);
  if (!node.style.height) node.style.height = `${data.height}px`;
  if (!node.resizing) {
    node.resizing = new ResizeObserver(() => {
      if (node.classList.contains("js-plotly-plot") && node.offsetWidth) window.Plotly.Plots.resize(node);
    });
    node.resizing.observe(node);
  }
  // Drawing takes processor time from the training, so a chart that would look the same is not redrawn.
  const css = getComputedStyle(node);
  const looks = JSON.stringify([data, css.getPropertyValue("--st-background-color"), css.getPropertyValue("--st-font")]);
  if (node.looks === looks && !node.failed) return stop;
  node.looks = looks;
  loadPlotly(data.version).then(
    (Plotly) => draw(Plotly, node),
    (error) => {
      node.failed = true;
      node.textContent = error.message;
    },
  );
  return stop;
}
