// Candles with the trades on them.  `showTrade(k)` brings trade k into view.
const MANY_TRADES = 250; // beyond it markers shrink and lose their lines, so that prices stay visible
let showTrade = () => {};

function priceChart() {
  if (!data.prices.length) return;
  const trades = data.trades;
  const count = trades.side.length;
  let chosen = 0;
  let marked = -1;
  let shown = load(0);

  function load(at) {
    const one = data.prices[at];
    const scale = 10 ** one.decimals;
    const [open, high, low, close] = ["open", "high", "low", "close"].map((name) => decoded(one[name], scale));
    const mine = [];
    for (let k = 0; k < count; k++) {
      if (trades.from[k] >= 0 && trades.symbols[trades.symbol[k]] === one.symbol) mine.push(k);
    }
    const spread = high.reduce((a, b) => Math.max(a, b)) - low.reduce((a, b) => Math.min(a, b));
    return {
      name: one.symbol, decimals: one.decimals, minutes: decoded(one.t), mine,
      digits: spread > 20 ? 0 : spread > 0.5 ? 2 : one.decimals, // of the axis
      candles: open.map((value, i) => [value, close[i], low[i], high[i]]),
    };
  }

  function markers(c, start, end) {
    const inside = shown.mine.filter((k) => trades.to[k] >= start && trades.from[k] <= end);
    const few = inside.length <= MANY_TRADES;
    const size = few ? (inside.length <= 80 ? 12 : 9) : 5;
    const scatter = (id, symbol, colour, points, rotate = 0) => ({
      id, type: "scatter", symbol, symbolSize: size, symbolRotate: rotate, data: points, z: 5, silent: false,
      itemStyle: { color: colour, borderColor: c.panel, borderWidth: few ? 1 : 0 },
    });
    const entries = (side) => inside.filter((k) => trades.side[k] === side)
      .map((k) => [trades.from[k], trades.entry_price[k], k]);
    const exits = (won) => inside.filter((k) => trades.net[k] > 0 === won).map((k) => [trades.to[k], trades.exit_price[k], k]);
    const link = (k) => ({
      coords: [[trades.from[k], trades.entry_price[k]], [trades.to[k], trades.exit_price[k]]],
      lineStyle: {
        color: trades.net[k] > 0 ? c.up : c.down, width: k === marked ? 3.5 : 1.6, type: k === marked ? "solid" : "dashed",
        opacity: 1,
      },
    });
    return [
      { id: "links", type: "lines", coordinateSystem: "cartesian2d", silent: true, z: 4, data: few ? inside.map(link) : [] },
      scatter("long", "triangle", c.ink, entries(1)),
      scatter("short", "triangle", c.ink, entries(-1), 180),
      scatter("win", "circle", c.up, exits(true)),
      scatter("loss", "diamond", c.down, exits(false)),
    ];
  }

  function tradeLines(k) {
    return [
      [`${trades.side[k] > 0 ? "Long" : "Short"}, exit by ${trades.reasons[trades.reason[k]].replace("_", " ")}`, ""],
      [moment(decodedEntry[k]), decimal(trades.entry_price[k], shown.decimals)],
      [moment(decodedExit[k]), decimal(trades.exit_price[k], shown.decimals)],
      ["Net", `${money(trades.net[k])} (${percent(trades.return[k], 2)})`],
    ];
  }

  function tip(found) {
    const candle = found.find((one) => one.seriesId === "candles");
    const at = candle ? candle.dataIndex : found[0].data[0];
    const [open, close, low, high] = shown.candles[at];
    const price = (value) => decimal(value, shown.decimals);
    const here = [...new Set(found.filter((one) => one.seriesType === "scatter").map((one) => one.data[2]))];
    const rows = [["Open", price(open)], ["High", price(high)], ["Low", price(low)], ["Close", price(close)]];
    for (const k of here.slice(0, 3)) rows.push(...tradeLines(k));
    if (here.length > 3) rows.push([`and ${here.length - 3} more trades`, ""]);
    return tooltip(moment(shown.minutes[at]), rows);
  }

  let close = false; // so few candles in view that their hours matter
  function axisWord(value) {
    const word = close ? moment(Number(value)) : day(Number(value));
    return close ? word.replace(/ \d{4}/, "") : word;
  }

  const options = (c) => ({
    ...base(c),
    grid: { left: narrow() ? 52 : 66, right: 16, top: 16, bottom: 66 },
    xAxis: timeAxis(c, shown.minutes, { boundaryGap: true, axisLabel: { formatter: axisWord } }),
    yAxis: valueAxis(c, (value) => decimal(value, shown.digits)),
    dataZoom: zooms(c, [0], shown.minutes),
    series: [
      {
        id: "candles", name: shown.name, type: "candlestick", data: shown.candles, large: true, largeThreshold: 1500,
        itemStyle: { color: c.panel, borderColor: c.hold, color0: c.hold, borderColor0: c.hold, borderColorDoji: c.hold },
        barMaxWidth: 14,
      },
      ...markers(c, 0, shown.candles.length),
    ],
    tooltip: {
      ...base(c).tooltip, axisPointer: { type: "cross", lineStyle: { color: c.quiet }, label: { show: false } },
      formatter: tip,
    },
  });

  const entry = chart("price", options);
  const drawn = entry.drawn;

  function visible() {
    const zoom = drawn.getOption().dataZoom[0];
    const last = shown.candles.length - 1;
    return [Math.floor((zoom.start / 100) * last), Math.ceil((zoom.end / 100) * last)];
  }

  function remark() {
    const [start, end] = visible();
    close = data.intraday && shown.minutes[end] - shown.minutes[start] < 12 * 24 * 60;
    drawn.setOption({ xAxis: { axisLabel: { formatter: axisWord } }, series: markers(colours(), start, end) });
  }
  let waiting = 0;
  drawn.on("dataZoom", () => {
    clearTimeout(waiting);
    waiting = setTimeout(remark, 60);
  });

  const tools = document.getElementById("price-tools");
  let select = null;
  if (data.prices.length > 1) {
    const label = choice("Instrument ", data.prices.map((one, at) => [at, one.symbol]), 0, (at) => choose(Number(at)));
    select = label.querySelector("select");
    tools.append(label);
  }
  zoomControls(drawn, tools, "prices");

  function choose(at) {
    chosen = at;
    marked = -1;
    shown = load(at);
    if (select) select.value = String(at);
    entry.draw();
    zoomTo(drawn, 0, 100);
  }

  showTrade = (k) => {
    if (trades.from[k] < 0) return false;
    const symbol = trades.symbols[trades.symbol[k]];
    const at = data.prices.findIndex((one) => one.symbol === symbol);
    if (at !== chosen) choose(at);
    marked = k;
    const last = Math.max(1, shown.candles.length - 1);
    const margin = Math.max(20, Math.round((trades.to[k] - trades.from[k]) * 0.6));
    zoomTo(drawn, ((trades.from[k] - margin) / last) * 100, ((trades.to[k] + margin) / last) * 100);
    remark();
    document.getElementById("prices").scrollIntoView({ block: "start" });
    drawn.getDom().focus({ preventScroll: true });
    return true;
  };
}

const decodedEntry = data.trades ? decoded(data.trades.entry) : [];
const decodedExit = data.trades ? decoded(data.trades.exit) : [];
