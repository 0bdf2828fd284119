
"use strict";
// Sorts tables, shows the values of charts and chooses which endpoint is drawn. Everything is listened for at the document, so
// that sections may be put in place of others: whoever does that calls paceline.apply() afterwards.
const paceline = (() => {
  const sorted = new Map();
  let chosen = "all";
  let shown = null;
  const tip = document.getElementById("tip");

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.by === undefined ? cell.textContent : Number(cell.dataset.by);
  };
  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other), undefined, { numeric: true });

  const sort = (table, column, descends) => {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => [value(row, column), row]);
    rows.sort((one, other) => (descends ? compare(other[0], one[0]) : compare(one[0], other[0])));
    body.append(...rows.map((row) => row[1]));
    Array.from(table.tHead.rows[0].cells, (head, position) => {
      if (position === column) head.setAttribute("aria-sort", descends ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };

  const press = (button) => {
    const head = button.closest("th");
    const table = head.closest("table");
    const before = head.getAttribute("aria-sort");
    // Numbers are asked for from the greatest down, texts from A on.
    const numbers = Array.from(table.tBodies[0].rows).every((row) => row.cells[head.cellIndex].dataset.by !== undefined);
    const descends = before === null ? numbers : before === "ascending";
    sorted.set(table.dataset.table, [head.cellIndex, descends]);
    sort(table, head.cellIndex, descends);
  };

  const choose = () => {
    for (const figure of document.querySelectorAll("figure[data-of]")) figure.hidden = figure.dataset.of !== chosen;
    const select = document.getElementById("chosen");
    if (select) select.value = chosen;
  };

  // The browser would show the title as well, a second later: it is taken out and kept.
  const words = (bin) => {
    const title = bin.querySelector("title");
    if (title) {
      bin.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    return bin.getAttribute("aria-label");
  };

  const hide = () => {
    if (shown) shown.classList.remove("now");
    shown = null;
    tip.hidden = true;
  };

  const show = (bin, x, y) => {
    if (shown !== bin) {
      if (shown) shown.classList.remove("now");
      shown = bin;
      bin.classList.add("now");
      tip.textContent = words(bin);
    }
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = x + 16 + box.width > room ? x - 16 - box.width : x + 16;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = Math.max(4, y - box.height - 12) + "px";
  };

  const step = (plot, key) => {
    const bins = Array.from(plot.querySelectorAll(".bins rect"));
    const at = bins.indexOf(shown);
    const last = bins.length - 1;
    const next = { ArrowRight: at < 0 ? 0 : Math.min(at + 1, last), ArrowLeft: at < 0 ? last : Math.max(at - 1, 0), Home: 0, End: last }[key];
    if (next === undefined || last < 0) return false;
    const box = bins[next].getBoundingClientRect();
    show(bins[next], box.right, box.top + 40);
    return true;
  };

  const binUnder = (event) => (event.target instanceof Element ? event.target.closest(".bins rect") : null);
  const point = (event) => {
    const bin = binUnder(event);
    if (bin) show(bin, event.clientX, event.clientY);
    else hide();
  };

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("th button") : null;
    if (button) press(button);
  });
  document.addEventListener("change", (event) => {
    if (event.target.id !== "chosen") return;
    chosen = event.target.value;
    choose();
  });
  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", point);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hide();
    const plot = event.target instanceof Element ? event.target.closest(".plot") : null;
    if (plot && step(plot, event.key)) event.preventDefault();
  });
  document.documentElement.classList.add("scripted");

  const apply = () => {
    for (const [name, [column, descends]] of sorted) {
      const table = document.querySelector(`table[data-table="${name}"]`);
      if (table && column < table.tHead.rows[0].cells.length) sort(table, column, descends);
    }
    if (document.querySelector(`figure[data-of="${chosen}"]`)) choose();
    if (shown && !shown.isConnected) hide();
  };
  return { apply };
})();
