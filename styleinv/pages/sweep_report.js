// Sorts a table by the column whose head is clicked; again, the other way round. What is not known
// stays at the end. Without this script the table is as it was written.
// And on paper a cell that is open has its place among the others.
addEventListener("beforeprint", () => document.querySelector(":popover-open")?.hidePopover());
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0];
    const falls = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const key = row => row.cells[head.cellIndex].dataset.key;
    const order = (a, b) => {
      if (!key(a) || !key(b)) return !key(a) - !key(b);
      const [x, y] = [Number(key(a)), Number(key(b))];
      const rise = isNaN(x) || isNaN(y) ? key(a).localeCompare(key(b), "en", {numeric: true}) : x - y;
      return falls ? -rise : rise;
    };
    body.append(...[...body.rows].sort(order));
  });
}
