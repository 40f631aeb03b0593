// Draws the charts of a page: each plot holds its figure as JSON, as Plotly reads it.
(function () {
  const CONFIG = { displayModeBar: false, responsive: true };
  const drawn = new WeakMap();

  function draw() {
    for (const plot of document.querySelectorAll(".plot[data-figure]")) {
      const figure = plot.dataset.figure;
      if (drawn.get(plot) === figure) continue;
      drawn.set(plot, figure);
      const { data, layout } = JSON.parse(figure);
      // In an element of Plotly's own, of which a page that is read again says nothing.
      Plotly.react(plot.firstElementChild ?? plot.appendChild(document.createElement("div")), data, layout, CONFIG);
    }
  }

  document.addEventListener("htmx:after:swap", draw);
  draw();
})();
