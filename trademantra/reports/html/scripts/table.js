// A table with sortable columns and pages.  Columns: {name, text(row), value(row), kind, minor}.
function sortableTable(place, columns, rows, { size = 25, sort = 0, down = false, label, onrow = null, sizes = [25, 50, 100] }) {
  let shown = rows;
  let page = 0;
  let by = sort;
  let descending = down;
  const head = make("tr");
  const body = make("tbody");
  const said = make("output", { "aria-live": "polite" });
  const previous = button("◀", "Previous page", () => turn(-1));
  const next = button("▶", "Next page", () => turn(1));
  const heads = columns.map((column, at) => {
    const cell = make("th", { scope: "col", class: [column.kind ?? "number", column.minor ? "minor" : ""].join(" ").trim() },
      make("button", { type: "button", onclick: () => sortBy(at) }, column.name));
    head.append(cell);
    return cell;
  });
  place.append(
    make("div", { class: "list", role: "group", "aria-label": label, tabindex: "0" },
      make("table", {}, make("thead", {}, head), body)),
    make("div", { class: "pager" }, said,
      choice("Rows ", sizes.map((value) => [value, value]), size, (value) => {
        size = Number(value);
        page = 0;
        draw();
      }), previous, next),
  );

  function sortBy(at) {
    descending = by === at ? !descending : (columns[at].kind ?? "number") === "number";
    by = at;
    page = 0;
    arrange();
  }

  function arrange() {
    const { value } = columns[by];
    const order = descending ? -1 : 1;
    shown = [...shown].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return x === y ? a - b : x === null ? 1 : -1; // undefined stays last
      return x < y ? -order : x > y ? order : a - b;
    });
    heads.forEach((cell, at) => {
      if (at === by) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    draw();
  }

  function turn(step) {
    page += step;
    draw();
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(shown.length / size));
    page = Math.min(Math.max(0, page), pages - 1);
    const from = page * size;
    body.replaceChildren(...shown.slice(from, from + size).map(line));
    if (!shown.length) {
      body.append(make("tr", {}, make("td", { colspan: columns.length, class: "text" }, "Nothing fits this filter.")));
    }
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
    said.textContent = shown.length
      ? `${(from + 1).toLocaleString(locale)} to ${Math.min(from + size, shown.length).toLocaleString(locale)} of ${shown.length.toLocaleString(locale)}`
      : "";
  }

  function line(row) {
    const cells = columns.map((column) => {
      const text = column.text(row);
      const tone = column.tone ? column.tone(row) : "";
      return make("td", { class: [column.kind ?? "number", column.minor ? "minor" : "", tone].join(" ").trim() }, text);
    });
    if (!onrow) return make("tr", {}, ...cells);
    const act = () => {
      for (const other of body.children) other.classList.remove("chosen");
      element.classList.add("chosen");
      onrow(row);
    };
    const element = make("tr", {
      tabindex: "0", onclick: act,
      onkeydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        act();
      },
    }, ...cells);
    return element;
  }

  arrange();
  return {
    show(some) {
      shown = some;
      page = 0;
      arrange();
    },
  };
}
