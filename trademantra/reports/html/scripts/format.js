// Data and numbers, as the page writes them.
const data = JSON.parse(document.getElementById("data").textContent);
const currency = data.currency;
const locale = currency === "INR" ? "en-IN" : "en-US";
const SYMBOLS = { INR: "₹", USD: "$", EUR: "€", GBP: "£" };
const UNDEFINED = "–";
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// Running sum: the inverse of the deltas that the file stores.
function decoded(steps, scale = 1) {
  let value = 0;
  return steps.map((step) => {
    value += step;
    return value / scale;
  });
}

function two(value) {
  return String(value).padStart(2, "0");
}

// `minutes`: wall-clock minutes since 1970 in the zone of the run.
function day(minutes) {
  const at = new Date(minutes * 60000);
  return `${two(at.getUTCDate())} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
}

function moment(minutes) {
  if (!data.intraday) return day(minutes);
  const at = new Date(minutes * 60000);
  return `${day(minutes)} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

function signed(value, text) {
  return value < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

function decimal(value, digits = 2) {
  if (value === null || !Number.isFinite(value)) return UNDEFINED;
  const shape = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return signed(value, Math.abs(value).toLocaleString(locale, shape));
}

function quantity(value) {
  return signed(value, Math.abs(value).toLocaleString(locale, { maximumFractionDigits: 6 }));
}

function money(value, digits = 0) {
  if (value === null || !Number.isFinite(value)) return UNDEFINED;
  const shape = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const symbol = SYMBOLS[currency] ?? `${currency} `;
  return signed(value, symbol + Math.abs(value).toLocaleString(locale, shape));
}

// Short amounts for axes: lakh and crore for rupees, thousand and million elsewhere.
function shortMoney(value) {
  const steps = currency === "INR"
    ? [[1e7, " Cr"], [1e5, " L"], [1e3, "k"]]
    : [[1e9, "B"], [1e6, "M"], [1e3, "k"]];
  const symbol = SYMBOLS[currency] ?? "";
  for (const [size, word] of steps) {
    if (Math.abs(value) >= size) {
      return signed(value, `${symbol}${(Math.abs(value) / size).toLocaleString("en-US", { maximumFractionDigits: 2 })}${word}`);
    }
  }
  return signed(value, symbol + Math.abs(value).toLocaleString(locale, { maximumFractionDigits: 2 }));
}

function percent(value, digits = 1) {
  return value === null || !Number.isFinite(value) ? UNDEFINED : `${decimal(value * 100, digits)}%`;
}

// An element with text that is never read as markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

function button(text, label, act) {
  return make("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
}

function choice(label, options, chosen, act) {
  const select = make("select", { onchange: (event) => act(event.target.value) });
  for (const [value, text] of options) {
    select.append(make("option", { value, selected: String(value) === String(chosen) }, text));
  }
  return make("label", {}, label, select);
}

// Lines of name and value under a title, for the charts' tooltips.
function tooltip(title, rows) {
  const box = make("div", { class: "tooltip" }, make("div", { class: "title" }, title));
  for (const [name, value] of rows) box.append(make("div", {}, make("span", {}, name), make("b", {}, value)));
  return box;
}
