// Draws the charts of a page: each plot holds its figure as JSON, as Plotly reads it.
//
// data-to is the address of what is behind the chart; a stretch that is clicked or drawn over
// becomes its window. data-by names the parameter that a series stands for.
(function () {
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };
  const drawn = new WeakMap();
  // What Plotly holds on to, by listeners of its own, until it is told that a chart is gone.
  const targets = new Set();

  function isLocal() {
    return document.documentElement.dataset.zone === "local";
  }

  // A time axis has no zone: in local time, its times are moved.
  function moved(text) {
    const time = new Date(`${text}Z`);
    return new Date(time - time.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
  }

  function backToUtc(text) {
    const moment = text.length === "2026-01-31".length ? `${text}T00:00` : text;
    const time = isLocal() ? new Date(moment) : new Date(`${moment}Z`);
    return time.toISOString().slice(0, 16);
  }

  function inZone({ data, layout }) {
    if (layout.xaxis.type !== "date" || !isLocal()) return { data, layout };
    return {
      data: data.map((trace) => ({ ...trace, x: trace.x.map(moved) })),
      layout: { ...layout, xaxis: { ...layout.xaxis, range: layout.xaxis.range?.map(moved) } },
    };
  }

  function go(address) {
    const link = document.createElement("a");
    link.href = address;
    document.getElementById("content").append(link);
    htmx.process(link);
    link.click();
    link.remove();
  }

  function address(base, changes) {
    const url = new URL(base, location.origin);
    for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
    return url.pathname + url.search;
  }

  function text(label) {
    const area = document.createElement("textarea");
    area.innerHTML = label; // Plotly's entities, as letters; a textarea holds nothing else.
    return area.value;
  }

  function zoom(range) {
    const [since, until] = range.map((time) => backToUtc(String(time).replace(" ", "T")));
    go(address(location.href, { since, until }));
  }

  function follow(plot, point) {
    const { to, by, rest, step } = plot.dataset;
    const own = point.data.meta?.hrefs?.[point.pointIndex];
    if (own) return go(own);
    if (!to) return;
    const changes = {};
    if (step) {
      const since = backToUtc(String(point.x).replace(" ", "T"));
      const end = new Date(new Date(`${since}Z`).getTime() + Number(step) * 1000);
      Object.assign(changes, { since, until: end.toISOString().slice(0, 16) });
    }
    const name = text(point.data.name);
    if (by && name !== rest) changes[by] = name;
    go(address(to, changes));
  }

  async function drawOne(plot) {
    const figure = inZone(JSON.parse(plot.dataset.figure));
    // In an element of Plotly's own, of which a page that is read again says nothing.
    const fresh = !plot.firstElementChild;
    const target = plot.firstElementChild ?? plot.appendChild(document.createElement("div"));
    await Plotly.react(target, figure.data, figure.layout, CONFIG);
    if (!fresh) return;
    targets.add(target);
    target.on("plotly_relayout", (change) => {
      const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (range[0] !== undefined && target.layout.xaxis.type === "date") zoom(range);
    });
    target.on("plotly_click", ({ points }) => follow(plot, points[0]));
  }

  function draw() {
    for (const target of targets) {
      if (target.isConnected) continue;
      Plotly.purge(target);
      targets.delete(target);
    }
    for (const plot of document.querySelectorAll(".plot[data-figure]")) {
      const now = document.documentElement.dataset.zone + plot.dataset.figure;
      if (drawn.get(plot) === now) continue;
      drawn.set(plot, now);
      drawOne(plot);
    }
  }

  document.addEventListener("htmx:after:swap", draw);
  document.addEventListener("llm-otel:zone", draw);
  draw();
})();
