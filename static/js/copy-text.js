// Text copied from lines of tokens is the exact text: newlines that the layout keeps on one line are
// copied as newlines, lines of different examples stand on lines of their own.
document.addEventListener("copy", (event) => {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed) return;
  const touched = [...document.querySelectorAll("div.line")].filter((line) => selection.containsNode(line, true));
  const inside = (node) => (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest(".line");
  if (!touched.length || !inside(selection.anchorNode) || !inside(selection.focusNode)) return;
  const range = selection.getRangeAt(0);
  const texts = touched.map((line) => {
    const own = document.createRange();
    own.selectNodeContents(line);
    if (line.contains(range.startContainer)) own.setStart(range.startContainer, range.startOffset);
    if (line.contains(range.endContainer)) own.setEnd(range.endContainer, range.endOffset);
    return own.cloneContents().textContent;
  });
  event.clipboardData.setData("text/plain", texts.join("\n"));
  event.preventDefault();
});
