"use strict";
(() => {
  const form = document.getElementById("filter");
  const table = document.getElementById("requirement-table");
  if (form && table) {
    const rows = [...table.querySelectorAll("tbody tr")];
    const shown = document.getElementById("shown");
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const folds = new Map();

    for (const group of table.tBodies) {
      const [head, ...under] = group.rows;
      if (under.length === 0) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "fold";
      button.dataset.open = "";
      button.addEventListener("click", () => {
        button.dataset.open = button.dataset.open ? "" : "1";
        apply();
      });
      head.cells[1].append(document.createElement("br"), button);
      folds.set(group, { button, under });
    }

    const apply = (printing = false) => {
      const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = ["outcome", "level", "phase", "strength"].map((name) => [name, form.elements[name].value]);
      const filtering = words.length > 0 || wanted.some(([, value]) => value);
      const matches = (row) =>
        words.every((word) => texts.get(row).includes(word)) &&
        wanted.every(([name, value]) => !value || row.dataset[name] === value);
      let count = 0;
      for (const row of rows) {
        row.hidden = !matches(row);
        if (!row.hidden) count += 1;
      }
      for (const { button, under } of folds.values()) {
        const open = filtering || printing || button.dataset.open === "1";
        button.hidden = filtering;
        button.setAttribute("aria-expanded", String(open));
        button.textContent = `${open ? "Hide" : "Show"} the ${under.length} it blocks`;
        if (!open) for (const row of under) row.hidden = true;
      }
      shown.textContent = `${count} of ${rows.length} requirements match`;
    };
    form.addEventListener("input", () => apply());
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => apply()));
    addEventListener("beforeprint", () => apply(true));
    addEventListener("afterprint", () => apply());
    form.hidden = false;
    apply();
  }

  const reveal = () => {
    let place = null;
    try { place = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    for (let node = place; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    if (place) place.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details.case:not([open])[data-print]")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of opened) one.open = false; });
})();
