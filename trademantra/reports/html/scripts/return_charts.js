// How often returns of each size came, and the Sharpe ratio as it went.
function histogramChart(id, found, label) {
  if (!found) return;
  const { edges, counts } = found;
  const digits = edges[1] - edges[0] < 0.001 ? 2 : edges[1] - edges[0] < 0.01 ? 1 : 0;
  const middle = counts.map((_, at) => (edges[at] + edges[at + 1]) / 2);
  chart(id, (c) => ({
    ...base(c),
    grid: { left: 48, right: 10, top: 14, bottom: 30 },
    xAxis: {
      type: "value", containShape: false, min: edges[0], max: edges[edges.length - 1], axisTick: { show: false },
      axisLine: { lineStyle: { color: c.line }, onZero: false }, splitLine: { show: false },
      axisLabel: { color: c.quiet, hideOverlap: true, showMinLabel: false, showMaxLabel: false, formatter: (value) => percent(value, digits) },
    },
    yAxis: valueAxis(c, (value) => decimal(value, 0), { scale: false, minInterval: 1 }),
    series: [{
      type: "bar", barCategoryGap: "12%",
      data: counts.map((value, at) => ({ value: [middle[at], value], itemStyle: { color: middle[at] >= 0 ? c.up : c.down } })),
    }],
    tooltip: {
      ...base(c).tooltip, axisPointer: { type: "shadow" },
      formatter: ([one]) => tooltip(`${percent(edges[one.dataIndex], 2)} to ${percent(edges[one.dataIndex + 1], 2)}`, [
        [label, decimal(counts[one.dataIndex], 0)],
      ]),
    },
  }));
}

function rollingChart() {
  if (!data.rolling.length) return;
  let chosen = Math.min(1, data.rolling.length - 1);
  const entry = chart("rolling", (c) => {
    const { t, value, window } = data.rolling[chosen];
    const minutes = decoded(t);
    return {
      ...base(c),
      grid: { left: 44, right: 12, top: 12, bottom: 28 },
      xAxis: timeAxis(c, minutes, { axisLine: { onZero: false, lineStyle: { color: c.line } } }),
      yAxis: valueAxis(c, (number) => decimal(number, 1)),
      series: [{
        type: "line", data: value, showSymbol: false, lineStyle: { width: 1.6, color: c.up }, itemStyle: { color: c.up },
        markLine: {
          silent: true, symbol: "none", label: { show: false }, lineStyle: { color: c.quiet, type: "dashed" }, data: [{ yAxis: 0 }],
        },
      }],
      tooltip: {
        ...base(c).tooltip,
        formatter: ([one]) => tooltip(day(minutes[one.dataIndex]), [[`Sharpe, last ${window} sessions`, decimal(value[one.dataIndex])]]),
      },
    };
  });
  document.getElementById("rolling-tools").append(
    choice("Window ", data.rolling.map((one, at) => [at, `${one.window} sessions`]), chosen, (at) => {
      chosen = Number(at);
      entry.draw();
    }),
  );
}

function returnCharts() {
  histogramChart("sessions", data.distribution.sessions, "Sessions");
  histogramChart("trade-returns", data.distribution.trades, "Trades");
  rollingChart();
}
