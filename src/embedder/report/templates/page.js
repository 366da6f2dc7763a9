"use strict";

// Sort a table by a column: a button in each header cell, so that a key does what a click does.
for (const button of document.querySelectorAll("th[aria-sort] > button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const first = head.dataset.first || "descending";
    const other = first === "descending" ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const cell of head.parentElement.children) {
      if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", cell === head ? order : "none");
    }
    const body = head.closest("table").tBodies[0];
    const sign = order === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => {
      const cell = row.cells[head.cellIndex];
      return { row, text: cell.textContent.trim(), value: "value" in cell.dataset ? Number(cell.dataset.value) : NaN };
    });
    const isText = head.dataset.kind === "text";
    keyed.sort((a, b) => {
      if (isText) return sign * a.text.localeCompare(b.text);
      if (Number.isNaN(a.value) || Number.isNaN(b.value)) return Number.isNaN(a.value) - Number.isNaN(b.value);
      return sign * (a.value - b.value); // a missing value comes last either way
    });
    body.append(...keyed.map((one) => one.row));
  });
}

// Light and dark: the system's choice, until the reader makes one.
const root = document.documentElement;
const toggle = document.getElementById("theme");
const stored = (value) => {
  try {
    if (value) localStorage.setItem("embedder-theme", value);
    return localStorage.getItem("embedder-theme");
  } catch {
    return null; // a page from a file may be refused storage
  }
};
const system = matchMedia("(prefers-color-scheme: dark)");
const theme = () => root.dataset.theme || (system.matches ? "dark" : "light");
const label = () => {
  toggle.textContent = theme() === "dark" ? "Light" : "Dark";
  toggle.setAttribute("aria-label", `Switch to ${theme() === "dark" ? "light" : "dark"} colours`);
};
if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = theme() === "dark" ? "light" : "dark";
  stored(root.dataset.theme);
  label();
});
system.addEventListener("change", label);
label();

// Paper has no folds: open them for printing.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const one of folded) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of folded) one.open = false;
});
