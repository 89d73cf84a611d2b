// What all charts share: colours of the theme, size, zoom by buttons and keys.
const charts = [];

function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: named("ink"), quiet: named("quiet"), line: named("line"), grid: named("grid"), panel: named("panel"),
    ground: named("ground"), up: named("up"), down: named("down"), hold: named("hold"), bench: named("bench"),
    accent: named("accent"),
  };
}

const narrow = () => window.innerWidth <= 620;
const coarse = window.matchMedia("(pointer: coarse)").matches;

// `options(colours)` is asked again whenever the theme changes; `ready(chart)` is told once.
function chart(id, options, ready = null) {
  const place = document.getElementById(id);
  if (!place) return null;
  place.replaceChildren();
  const drawn = echarts.init(place, null, { renderer: "canvas" });
  const entry = { drawn, draw: () => drawn.setOption(options(colours()), { notMerge: true }) };
  entry.draw();
  charts.push(entry);
  new ResizeObserver(() => drawn.resize()).observe(place);
  if (ready) ready(drawn);
  return entry;
}

function redraw() {
  for (const entry of charts) {
    const zoom = (entry.drawn.getOption().dataZoom ?? [])[0];
    entry.draw();
    if (zoom) zoomTo(entry.drawn, zoom.start, zoom.end);
  }
}

function base(c) {
  return {
    animation: false,
    textStyle: { color: c.ink, fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif" },
    tooltip: {
      trigger: "axis", confine: true, backgroundColor: c.panel, borderColor: c.line, padding: [8, 10],
      textStyle: { color: c.ink, fontSize: 12.5 }, axisPointer: { lineStyle: { color: c.quiet } },
    },
  };
}

function valueAxis(c, label, more = {}) {
  return {
    type: "value", scale: true, axisLabel: { color: c.quiet, formatter: label, hideOverlap: true },
    splitLine: { lineStyle: { color: c.grid } }, axisLine: { show: false }, axisTick: { show: false }, ...more,
  };
}

function timeAxis(c, minutes, more = {}) {
  return {
    type: "category", data: minutes, boundaryGap: false,
    axisLabel: { color: c.quiet, formatter: (value) => day(Number(value)), hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right", ...(more.axisLabel ?? {}) },
    axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false }, splitLine: { show: false },
    ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== "axisLabel")),
  };
}

// A slider below, and the wheel with Ctrl inside; on touch screens only the slider, so that the page still scrolls.
function zooms(c, axes, minutes) {
  const slider = {
    type: "slider", xAxisIndex: axes, bottom: 8, height: 26, borderColor: c.line, backgroundColor: "transparent",
    fillerColor: "rgba(90,130,180,0.16)", dataBackground: { lineStyle: { color: c.hold }, areaStyle: { color: c.grid } },
    selectedDataBackground: { lineStyle: { color: c.accent }, areaStyle: { color: c.grid } },
    handleStyle: { color: c.panel, borderColor: c.accent }, moveHandleStyle: { color: c.line }, moveHandleSize: 5,
    textStyle: { color: c.quiet }, labelFormatter: (at) => (minutes[at] === undefined ? "" : day(minutes[at])),
    brushSelect: false,
  };
  const inside = {
    type: "inside", xAxisIndex: axes, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false, moveOnMouseMove: true,
  };
  return coarse ? [slider] : [slider, inside];
}

function zoomTo(drawn, start, end) {
  drawn.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, start: Math.max(0, start), end: Math.min(100, end) });
}

// Keep the window's width while moving it; never narrower than a fiftieth of a percent.
function zoomBy(drawn, factor, shift) {
  const { start, end } = drawn.getOption().dataZoom[0];
  const width = Math.min(100, Math.max(0.02, (end - start) * factor));
  const middle = (start + end) / 2 + shift * width;
  const from = Math.min(100 - width, Math.max(0, middle - width / 2));
  zoomTo(drawn, from, from + width);
}

function zoomControls(drawn, place, what) {
  const keys = {
    ArrowLeft: () => zoomBy(drawn, 1, -0.25), ArrowRight: () => zoomBy(drawn, 1, 0.25), "+": () => zoomBy(drawn, 0.6, 0),
    "=": () => zoomBy(drawn, 0.6, 0), "-": () => zoomBy(drawn, 1 / 0.6, 0), "0": () => zoomTo(drawn, 0, 100),
  };
  drawn.getDom().addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  place.append(
    button("◀", `Earlier (${what})`, keys.ArrowLeft), button("▶", `Later (${what})`, keys.ArrowRight),
    button("+", `Zoom in (${what})`, keys["+"]), button("−", `Zoom out (${what})`, keys["-"]),
    button("All", `Show all (${what})`, keys["0"]),
  );
}
