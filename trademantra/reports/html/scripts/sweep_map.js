// Score by two parameters; the others are summed up or held at the best combination.
const drawnRows = data.drawn ? data.drawn.scores[0].length : 0;

function scoreText(score, value) {
  if (score.unit === "percent") return percent(value, 2);
  if (score.unit === "money") return money(value);
  return decimal(value, score.unit === "count" ? 0 : 2);
}

function median(sorted, part = 0.5) {
  if (!sorted.length) return null;
  const at = (sorted.length - 1) * part;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

function ascending(values) {
  return values.filter((value) => value !== null).sort((a, b) => a - b);
}

function axisWords(at) {
  return data.parameters[at].levels.map((value) => quantity(value));
}

function sweepMap() {
  const tools = document.getElementById("map-tools");
  if (!tools) return;
  const varied = data.parameters.map((one, at) => [at, one]).filter(([, one]) => one.levels.length > 1);
  const state = { x: varied[0][0], y: varied[1][0], score: data.scores.findIndex((one) => one.name === data.objective), rest: "median" };
  const said = document.getElementById("map-said");

  function cells() {
    const { x, y, score, rest } = state;
    const width = data.parameters[y].levels.length;
    const groups = new Map();
    const others = data.parameters.map((_, at) => at).filter((at) => at !== x && at !== y);
    for (let k = 0; k < drawnRows; k++) {
      if (rest === "best" && others.some((at) => data.drawn.levels[at][k] !== data.top.levels[at][0])) continue;
      const value = data.drawn.scores[score][k];
      if (value === null) continue;
      const key = data.drawn.levels[x][k] * width + data.drawn.levels[y][k];
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(value);
    }
    return [...groups].map(([key, values]) => {
      const sorted = ascending(values);
      const top = data.scores[score].lower ? sorted[0] : sorted[sorted.length - 1];
      return [Math.floor(key / width), key % width, rest === "top" ? top : median(sorted), sorted.length];
    });
  }

  const entry = chart("heat-map", (c) => {
    const score = data.scores[state.score];
    const found = cells();
    const values = ascending(found.map((cell) => cell[2]));
    const [low, high] = values.length ? [values[0], values[values.length - 1]] : [0, 1];
    const across = low < 0 && high > 0; // both signs: the middle of the colours is zero
    const reach = Math.max(Math.abs(low), Math.abs(high));
    const range = across ? [-reach, reach] : [low, high > low ? high : low + 1];
    const ramp = across ? [c.down, c.ground, c.up] : [c.ground, c.up];
    if (score.lower) ramp.reverse();
    const best = (cell) => cell[0] === data.top.levels[state.x][0] && cell[1] === data.top.levels[state.y][0];
    found.sort((a, b) => best(a) - best(b)); // drawn last, so that no neighbour covers its frame
    const shade = (value) => mixed(ramp, (value - range[0]) / (range[1] - range[0]));
    const readable = (value) => (contrast(shade(value), c.ink) >= contrast(shade(value), c.panel) ? c.ink : c.panel);
    said.textContent = others().length
      ? `Each cell is ${{ median: "the median over", top: "the best over", best: "run with the best combination's" }[state.rest]} ${others().join(", ")}. The frame is the best combination.`
      : "Each cell is one combination. The frame is the best one.";
    const compact = found.length <= (narrow() ? 40 : 260);
    return {
      ...base(c),
      grid: { left: narrow() ? 56 : 76, right: narrow() ? 12 : 110, top: 16, bottom: narrow() ? 100 : 56 },
      xAxis: heatAxis(c, state.x, { nameLocation: "middle", nameGap: 30 }),
      yAxis: heatAxis(c, state.y, { nameLocation: "middle", nameGap: narrow() ? 40 : 56 }),
      visualMap: {
        type: "continuous", min: range[0], max: range[1], dimension: 2, calculable: true, inRange: { color: ramp },
        orient: narrow() ? "horizontal" : "vertical", right: narrow() ? "center" : 4, bottom: narrow() ? 4 : "center",
        textStyle: { color: c.quiet }, formatter: (value) => (score.unit === "money" ? shortMoney(value) : scoreText(score, value)), itemHeight: 160,
        seriesIndex: 0,
      },
      series: [
        {
          type: "heatmap", itemStyle: { borderColor: c.panel, borderWidth: found.length > 2500 ? 0 : 1 },
          data: found.map((cell) => ({
            value: cell, label: { color: readable(cell[2]) },
            ...(best(cell) ? { itemStyle: { borderColor: c.ink, borderWidth: 3 }, z: 9 } : {}),
          })),
          label: {
            show: compact, fontSize: 11,
            formatter: ({ value: cell }) => (score.unit === "percent" ? percent(cell[2], 1) : score.unit === "money" ? shortMoney(cell[2]) : scoreText(score, cell[2])),
          },
          emphasis: { itemStyle: { borderColor: c.ink, borderWidth: 2 } },
        },
      ],
      tooltip: {
        ...base(c).tooltip, trigger: "item",
        formatter: ({ value: cell }) => tooltip(
          `${data.parameters[state.x].name} ${axisWords(state.x)[cell[0]]}, ${data.parameters[state.y].name} ${axisWords(state.y)[cell[1]]}`,
          [[score.label, scoreText(score, cell[2])], ["Combinations", decimal(cell[3], 0)]],
        ),
      },
    };
  });

  function others() {
    return varied.filter(([at]) => at !== state.x && at !== state.y).map(([, one]) => one.name);
  }

  const names = varied.map(([at, one]) => [at, one.name]);
  const pick = (name) => (value) => {
    const at = Number(value);
    if (name === "x" && at === state.y) state.y = state.x;
    if (name === "y" && at === state.x) state.x = state.y;
    state[name] = at;
    selects.x.value = String(state.x);
    selects.y.value = String(state.y);
    entry.draw();
  };
  const labels = {
    x: choice("Across ", names, state.x, pick("x")),
    y: choice("Up ", names, state.y, pick("y")),
    score: choice("Score ", data.scores.map((one, at) => [at, one.label]), state.score, pick("score")),
  };
  const selects = { x: labels.x.querySelector("select"), y: labels.y.querySelector("select") };
  tools.append(labels.x, labels.y, labels.score);
  if (varied.length > 2) {
    tools.append(choice("Other parameters ", [["median", "median over all"], ["top", "best over all"], ["best", "as in the best"]], "median", (value) => {
      state.rest = value;
      entry.draw();
    }));
  }
}

// Red, green, blue between 0 and 1 of a colour written #rrggbb.
function channels(colour) {
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
}

function mixed(ramp, part) {
  const at = Math.min(1, Math.max(0, part)) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  const [a, b] = [channels(ramp[low]), channels(ramp[low + 1])];
  return a.map((value, k) => value + (b[k] - value) * (at - low));
}

// Contrast ratio of WCAG 2.2 between mixed channels and a colour.
function contrast(shade, colour) {
  const light = (parts) => {
    const [r, g, b] = parts.map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const ratio = light(shade) / light(channels(colour));
  return Math.max(ratio, 1 / ratio);
}

function heatAxis(c, at, more) {
  return {
    type: "category", data: axisWords(at), name: data.parameters[at].name, nameTextStyle: { color: c.ink },
    axisLabel: { color: c.quiet, hideOverlap: true }, axisTick: { show: false }, axisLine: { lineStyle: { color: c.line } },
    splitArea: { show: false }, ...more,
  };
}
