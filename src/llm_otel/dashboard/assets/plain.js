// Draws what `components/plain.py` sends: elements without Dash around each of them.
(function () {
  function follow(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState({}, "", event.currentTarget.href);
    // What Dash's own links tell its Location.
    dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    scrollTo(0, 0);
  }

  function draw(part) {
    if (Array.isArray(part)) return React.createElement(React.Fragment, null, ...part.map(draw));
    if (part === null || typeof part !== "object") return part;
    const props = part.tag === "link" ? { ...part.props, onClick: follow } : part.props;
    return React.createElement(part.tag === "link" ? "a" : part.tag, props, draw(part.children));
  }

  window.llm_otel = { Plain: ({ tree }) => draw(tree) };
})();
