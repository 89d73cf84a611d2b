// Equity over drawdown, on one axis of time.
function equityChart() {
  const minutes = decoded(data.equity.t);
  let logarithmic = false;
  const options = (c) => {
    const line = (name, values, colour, more = {}) => ({
      name, type: "line", data: values, showSymbol: false, sampling: "minmax", lineStyle: { width: 1.3, color: colour },
      itemStyle: { color: colour }, ...more,
    });
    const others = [c.hold, c.bench];
    const left = narrow() ? 58 : 72;
    return {
      ...base(c),
      legend: {
        top: 6, left: left - 8, itemHeight: 8, itemWidth: 18, textStyle: { color: c.ink }, inactiveColor: c.quiet,
        data: ["Equity", ...data.equity.lines.map((other) => other.name)],
      },
      grid: [
        { left, right: 16, top: narrow() ? 62 : 40, height: narrow() ? "40%" : "52%" },
        { left, right: 16, bottom: 62, height: "19%" },
      ],
      axisPointer: { link: [{ xAxisIndex: "all" }] },
      xAxis: [
        timeAxis(c, minutes, { axisLabel: { show: false } }),
        timeAxis(c, minutes, { gridIndex: 1 }),
      ],
      yAxis: [
        valueAxis(c, shortMoney, { type: logarithmic ? "log" : "value" }),
        valueAxis(c, (value) => percent(value, 0), { gridIndex: 1, max: 0, min: (range) => Math.min(-0.01, Math.floor(range.min * 20) / 20), scale: false, splitNumber: 2 }),
      ],
      dataZoom: zooms(c, [0, 1], minutes),
      series: [
        ...data.equity.lines.map((other, at) => line(other.name, other.value, others[at % 2], {
          lineStyle: { width: 1.2, color: others[at % 2], type: at ? "dashed" : "solid" },
        })),
        line("Equity", data.equity.value, c.up, { lineStyle: { width: 2, color: c.up }, z: 4 }),
        line("Drawdown", data.equity.drawdown, c.down, {
          xAxisIndex: 1, yAxisIndex: 1, areaStyle: { color: c.down, opacity: 0.22 }, lineStyle: { width: 1, color: c.down },
        }),
      ],
      tooltip: {
        ...base(c).tooltip,
        formatter: (found) => {
          const at = found[0].dataIndex;
          return tooltip(moment(minutes[at]), [
            ["Equity", money(data.equity.value[at])],
            ["Return", percent(data.equity.value[at] / data.cash - 1, 2)],
            ["Drawdown", percent(data.equity.drawdown[at], 2)],
            ...data.equity.lines.map((other) => [other.name, money(other.value[at])]),
          ]);
        },
      },
    };
  };
  const entry = chart("equity", options);
  const tools = document.getElementById("equity-tools");
  if (data.equity.value.every((value) => value > 0)) {
    const toggle = make("button", {
      type: "button", "aria-pressed": "false",
      onclick: () => {
        logarithmic = !logarithmic;
        toggle.setAttribute("aria-pressed", String(logarithmic));
        redraw();
      },
    }, "Log scale");
    tools.append(toggle);
  }
  zoomControls(entry.drawn, tools, "equity");
}
