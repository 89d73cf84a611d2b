// The list of trades: filter, sort, save, and go to a trade on the chart.
function tradeList() {
  const place = document.getElementById("trade-list");
  if (!place) return;
  const trades = data.trades;
  const rows = trades.side.map((_, k) => k);
  const symbol = (k) => trades.symbols[trades.symbol[k]];
  const reason = (k) => trades.reasons[trades.reason[k]].replace("_", " ");
  const several = trades.symbols.length > 1;
  const price = (value) => value.toLocaleString(locale, { minimumFractionDigits: 2, maximumFractionDigits: 8 });
  const tone = (k) => (trades.net[k] > 0 ? "good" : "bad");
  const columns = [
    { name: "#", value: (k) => k, text: (k) => k + 1, minor: true },
    ...(several ? [{ name: "Symbol", kind: "text", value: symbol, text: symbol }] : []),
    { name: "Side", kind: "text", value: (k) => trades.side[k], text: (k) => (trades.side[k] > 0 ? "long" : "short") },
    { name: "Entry", kind: "text", value: (k) => decodedEntry[k], text: (k) => moment(decodedEntry[k]) },
    { name: "Exit", kind: "text", value: (k) => decodedExit[k], text: (k) => moment(decodedExit[k]), minor: true },
    { name: "Entry price", value: (k) => trades.entry_price[k], text: (k) => price(trades.entry_price[k]), minor: true },
    { name: "Exit price", value: (k) => trades.exit_price[k], text: (k) => price(trades.exit_price[k]), minor: true },
    { name: "Quantity", value: (k) => trades.quantity[k], text: (k) => quantity(trades.quantity[k]), minor: true },
    { name: "Gross", value: (k) => trades.gross[k], text: (k) => money(trades.gross[k]), minor: true },
    { name: "Costs", value: (k) => trades.costs[k], text: (k) => money(trades.costs[k]), minor: true },
    { name: "Net", value: (k) => trades.net[k], text: (k) => money(trades.net[k]), tone },
    { name: "Return", value: (k) => trades.return[k], text: (k) => percent(trades.return[k], 2), tone },
    { name: "Bars", value: (k) => trades.bars[k], text: (k) => trades.bars[k].toLocaleString(locale), minor: true },
    { name: "Exit by", kind: "text", value: reason, text: reason, minor: true },
  ];
  const filter = { text: "", side: "", outcome: "", reason: "" };
  const said = make("p", { class: "quiet", "aria-live": "polite" });
  const change = (name) => (value) => {
    filter[name] = value;
    apply();
  };
  place.append(
    make("div", { class: "filters tools" },
      make("input", {
        type: "search", placeholder: several ? "Symbol, date or reason" : "Date or reason", "aria-label": "Filter trades",
        oninput: (event) => change("text")(event.target.value),
      }),
      choice("Side ", [["", "all"], [1, "long"], [-1, "short"]], "", change("side")),
      choice("Result ", [["", "all"], ["win", "gains"], ["loss", "losses"]], "", change("outcome")),
      choice("Exit by ", [["", "all"], ...trades.reasons.map((word, at) => [at, word.replace("_", " ")])], "", change("reason")),
      button("Save as CSV", "Save the trades that the filter shows as CSV", save)),
    said,
  );
  const list = sortableTable(place, columns, rows, { label: "Trades", onrow: showTrade });
  let shown = rows;

  function apply() {
    const words = filter.text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.filter((k) => {
      if (filter.side && trades.side[k] !== Number(filter.side)) return false;
      if (filter.outcome && (trades.net[k] > 0) !== (filter.outcome === "win")) return false;
      if (filter.reason !== "" && trades.reason[k] !== Number(filter.reason)) return false;
      if (!words.length) return true;
      const text = `${symbol(k)} ${moment(decodedEntry[k])} ${moment(decodedExit[k])} ${reason(k)}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    list.show(shown);
    say();
  }

  function say() {
    const net = shown.reduce((sum, k) => sum + trades.net[k], 0);
    const wins = shown.filter((k) => trades.net[k] > 0).length;
    said.textContent = shown.length
      ? `${shown.length.toLocaleString(locale)} trades: net ${money(net)}, ${percent(wins / shown.length)} gains`
      : "No trade fits this filter.";
  }

  function save() {
    const safe = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
    const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const iso = (minutes) => new Date(minutes * 60000).toISOString().slice(0, 16);
    const head = ["symbol", "side", "entry_time", "exit_time", "entry_price", "exit_price", "quantity", "gross", "costs", "net", "return", "reason", "bars"];
    const lines = shown.map((k) => [
      cell(safe(symbol(k))), trades.side[k] > 0 ? "long" : "short", iso(decodedEntry[k]), iso(decodedExit[k]),
      trades.entry_price[k], trades.exit_price[k], trades.quantity[k], trades.gross[k], trades.costs[k], trades.net[k],
      trades.return[k] ?? "", trades.reasons[trades.reason[k]], trades.bars[k],
    ].join(","));
    const blob = new Blob([[head.join(","), ...lines, ""].join("\n")], { type: "text/csv" });
    const link = make("a", { href: URL.createObjectURL(blob), download: "trades.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  say();
}
