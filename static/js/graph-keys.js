// The graph of connections (data-graph): arrow keys move the focus between its nodes, up and down in
// a column, left and right to the nearest node of the next one; Enter follows the link as ever. The
// lines of the node under the pointer, or with the focus, stand out.
for (const graph of document.querySelectorAll("[data-graph]")) {
  const columns = [...graph.querySelectorAll("[data-column]")].map((column) => [
    ...column.querySelectorAll("[data-node]"),
  ]);
  const middle = (node) => {
    const box = node.getBoundingClientRect();
    return (box.top + box.bottom) / 2;
  };

  const beside = (node, step) => {
    const at = columns.findIndex((column) => column.includes(node));
    const next = columns[at + step] ?? [];
    const away = (other) => Math.abs(middle(other) - middle(node));
    return next.reduce((best, other) => (best && away(best) <= away(other) ? best : other), null);
  };
  const below = (node, step) => {
    const column = columns.find((nodes) => nodes.includes(node));
    return column[column.indexOf(node) + step];
  };

  graph.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const node = event.target.closest("[data-node]");
    const move = {
      ArrowUp: [below, -1], ArrowDown: [below, 1], ArrowLeft: [beside, -1], ArrowRight: [beside, 1],
    }[event.key];
    if (!node || !move) return;
    event.preventDefault();
    const [where, step] = move;
    where(node, step)?.focus({ focusVisible: true });
  });

  const light = (node) => {
    graph.classList.toggle("lit", Boolean(node) && !node.classList.contains("here"));
    for (const line of graph.querySelectorAll("[data-ends]")) {
      const ends = line.dataset.ends.split(" ");
      line.classList.toggle("lit", Boolean(node) && ends.includes(node.dataset.node));
    }
  };
  for (const name of ["pointerover", "focusin"]) {
    graph.addEventListener(name, (event) => light(event.target.closest("[data-node]")));
  }
  graph.addEventListener("pointerleave", () => light(null));
  graph.addEventListener("focusout", () => light(null));
}
