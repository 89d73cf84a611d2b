// The page itself: theme, printing, where the reader is.  Comes last and starts the rest.
const root = document.documentElement;
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
}

function remembered(value) {
  try { // a page opened from disk may have no storage; the theme then lasts as long as the page
    if (value !== undefined) localStorage.setItem("trademantra-theme", value);
    return localStorage.getItem("trademantra-theme");
  } catch {
    return null;
  }
}

function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
  offerTheme();
  redraw();
}

function offerTheme() {
  const toggle = document.getElementById("theme");
  toggle.textContent = isDark() ? "Light" : "Dark";
  toggle.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
}

function themes() {
  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    remembered(theme);
    setTheme(theme);
  });
  prefersDark.addEventListener("change", () => setTheme(null));
  offerTheme();
}

function printing() {
  const print = document.getElementById("print");
  print.hidden = false;
  print.addEventListener("click", () => window.print());
  let before;
  window.addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    redraw();
    for (const { drawn } of charts) { // a picture bends to the width of the paper, a live chart does not
      const picture = drawn.renderToCanvas({ pixelRatio: 2, backgroundColor: "#fff" });
      picture.className = "printed";
      drawn.getDom().append(picture);
    }
  });
  window.addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    for (const picture of document.querySelectorAll(".printed")) picture.remove();
    redraw();
  });
}

function whereabouts() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of document.querySelectorAll("main section")) watch.observe(section);
}

if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
themes();
draw();
printing();
whereabouts();
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if ((width <= 620) !== narrow()) redraw();
  width = window.innerWidth;
});
