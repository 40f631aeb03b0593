// Keys of a page: what has data-key="j ArrowRight" is clicked by either of them.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (document.getElementById("content").getAttribute("aria-busy") === "true") return;
  const element = document.querySelector(`[data-key~="${CSS.escape(event.key)}"]`);
  if (!element) return;
  event.preventDefault();
  element.click();
});
