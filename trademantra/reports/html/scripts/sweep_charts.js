// Distribution, stability of each parameter, parallel coordinates, table of the best.
const objectiveAt = data.scores ? data.scores.findIndex((one) => one.name === data.objective) : -1;

function distributionChart() {
  const found = data.distribution;
  if (!found || !document.getElementById("distribution")) return;
  const score = data.scores[objectiveAt];
  const { edges, counts } = found;
  chart("distribution", (c) => ({
    ...base(c),
    grid: { left: 48, right: 10, top: 12, bottom: 28 },
    xAxis: {
      type: "value", containShape: false, min: edges[0], max: edges[edges.length - 1], splitLine: { show: false }, axisTick: { show: false },
      axisLine: { onZero: false, lineStyle: { color: c.line } },
      axisLabel: { color: c.quiet, hideOverlap: true, formatter: (value) => scoreText(score, value), showMinLabel: false, showMaxLabel: false },
    },
    yAxis: valueAxis(c, (value) => decimal(value, 0), { scale: false, minInterval: 1, splitNumber: 3 }),
    series: [{
      type: "bar", barCategoryGap: "10%",
      data: counts.map((value, at) => {
        const middle = (edges[at] + edges[at + 1]) / 2;
        return { value: [middle, value], itemStyle: { color: middle >= 0 ? c.up : c.down } };
      }),
    }],
    tooltip: {
      ...base(c).tooltip, axisPointer: { type: "shadow" },
      formatter: ([one]) => tooltip(`${scoreText(score, edges[one.dataIndex])} to ${scoreText(score, edges[one.dataIndex + 1])}`, [
        ["Combinations", decimal(counts[one.dataIndex], 0)],
      ]),
    },
  }));
}

function stabilityCharts() {
  const place = document.getElementById("stability-charts");
  const score = data.scores[objectiveAt];
  data.parameters.forEach((parameter, at) => {
    if (parameter.levels.length < 2) return;
    const groups = parameter.levels.map(() => []);
    for (let k = 0; k < drawnRows; k++) groups[data.drawn.levels[at][k]].push(data.drawn.scores[objectiveAt][k]);
    const sorted = groups.map(ascending);
    const row = (part) => sorted.map((values) => median(values, part));
    const [low, middle, high] = [row(0.25), row(0.5), row(0.75)];
    const best = sorted.map((values) => (values.length ? (score.lower ? values[0] : values[values.length - 1]) : null));
    const id = `stability-${at}`;
    place.append(make("div", { class: "card" }, make("h3", {}, parameter.name),
      make("div", { id, class: "chart", role: "img", tabindex: "0", "aria-label": `${score.label} by ${parameter.name}` })));
    chart(id, (c) => ({
      ...base(c),
      grid: { left: 58, right: 12, top: 12, bottom: 28 },
      xAxis: heatAxis(c, at, { name: "", boundaryGap: false, axisLine: { onZero: false, lineStyle: { color: c.line } } }),
      yAxis: valueAxis(c, (value) => scoreText(score, value)),
      series: [
        { type: "line", data: low, stack: "band", lineStyle: { opacity: 0 }, showSymbol: false, silent: true, stackStrategy: "all" },
        {
          type: "line", data: high.map((value, k) => (value === null ? null : value - low[k])), stack: "band", stackStrategy: "all",
          lineStyle: { opacity: 0 }, showSymbol: false, silent: true, areaStyle: { color: c.up, opacity: 0.2 },
        },
        { type: "line", data: middle, showSymbol: false, lineStyle: { color: c.up, width: 2 }, itemStyle: { color: c.up } },
        { type: "scatter", data: best, symbolSize: 6, itemStyle: { color: c.bench } },
      ],
      tooltip: {
        ...base(c).tooltip,
        formatter: ([one]) => {
          const k = one.dataIndex;
          return tooltip(`${parameter.name} ${axisWords(at)[k]}`, [
            ["Best", scoreText(score, best[k])], ["Upper quarter", scoreText(score, high[k])], ["Median", scoreText(score, middle[k])],
            ["Lower quarter", scoreText(score, low[k])], ["Combinations", decimal(sorted[k].length, 0)],
          ]);
        },
      },
    }));
  });
}

function axisText(score, value) {
  if (score.unit === "money") return shortMoney(value);
  return score.unit === "percent" ? percent(value, 0) : quantity(value);
}

function parallelPlot() {
  const rows = data.lines.scores[0].map((_, k) => k);
  const wanted = new Set([data.objective, "total_return", "max_drawdown", "trades", "win_rate", "costs"]);
  let columns = [];
  const entry = chart("parallel-plot", (c) => {
    const scores = data.scores.map((one, at) => [one, at]).filter(([one]) => wanted.has(one.name));
    columns = [
      ...data.parameters.map((one, at) => ({ name: one.name, of: (k) => one.levels[data.lines.levels[at][k]], text: (value) => quantity(value) })),
      ...scores.map(([one, at]) => ({ name: one.label, of: (k) => data.lines.scores[at][k], text: (value) => axisText(one, value) })),
    ];
    const target = data.parameters.length + scores.findIndex(([one]) => one.name === data.objective);
    const values = ascending(rows.map(columns[target].of));
    const lower = data.scores[objectiveAt].lower;
    return {
      ...base(c),
      parallel: {
        left: 50, right: 70, top: 56, bottom: 30,
        parallelAxisDefault: {
          type: "value", scale: true, nameLocation: "end", nameTextStyle: { color: c.ink, fontSize: 12 }, nameGap: 16,
          axisLabel: { color: c.ink, fontSize: 11, hideOverlap: true, backgroundColor: c.panel, padding: [1, 3], borderRadius: 3 },
          axisLine: { lineStyle: { color: c.quiet } }, axisTick: { show: false },
          areaSelectStyle: { width: 18, borderColor: c.accent, color: c.accent, opacity: 0.25 },
        },
      },
      parallelAxis: columns.map((column, dim) => ({ dim, name: column.name, axisLabel: { formatter: column.text } })),
      visualMap: {
        show: false, dimension: target, min: median(values, 0.02) ?? 0, max: median(values, 0.98) ?? 1,
        inRange: { color: lower ? [c.up, c.hold, c.down] : [c.down, c.hold, c.up] },
      },
      series: [{
        type: "parallel", data: rows.map((k) => columns.map((column) => column.of(k) ?? "-")).reverse(), inactiveOpacity: 0.03,
        activeOpacity: 0.9, lineStyle: { width: 1.2, opacity: rows.length > 400 ? 0.3 : 0.6 }, progressive: 0,
      }],
      tooltip: { show: false },
    };
  });
  const tools = document.getElementById("parallel-tools");
  tools.append(...data.scores.map((one) => {
    const toggle = make("button", {
      type: "button", "aria-pressed": String(wanted.has(one.name)), disabled: one.name === data.objective,
      onclick: () => {
        if (wanted.has(one.name)) wanted.delete(one.name);
        else wanted.add(one.name);
        toggle.setAttribute("aria-pressed", String(wanted.has(one.name)));
        entry.draw();
      },
    }, one.label);
    return toggle;
  }));
}

function bestList() {
  const top = data.top;
  const rows = top.scores[0].map((_, k) => k);
  const score = data.scores[objectiveAt];
  const shown = ["total_return", "cagr", "sharpe", "sortino", "max_drawdown", "trades", "win_rate", "profit_factor", "costs"];
  const scoreColumn = (name, minor) => {
    const at = data.scores.findIndex((one) => one.name === name);
    return { name: data.scores[at].label, value: (k) => top.scores[at][k], text: (k) => scoreText(data.scores[at], top.scores[at][k]), minor };
  };
  sortableTable(document.getElementById("best-list"), [
    { name: "#", value: (k) => k, text: (k) => k + 1 },
    ...data.parameters.map((one, at) => ({
      name: one.name, value: (k) => one.levels[top.levels[at][k]], text: (k) => quantity(one.levels[top.levels[at][k]]),
    })),
    scoreColumn(data.objective, false),
    {
      name: "Neighbours", value: (k) => top.neighbours[k],
      text: (k) => (top.beside[k] ? scoreText(score, top.neighbours[k]) : UNDEFINED),
    },
    ...shown.filter((name) => name !== data.objective && data.scores.some((one) => one.name === name)).map((name) => scoreColumn(name, name !== "total_return")),
  ], rows, { label: "Best combinations" });
}
