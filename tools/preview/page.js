const common = {
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "x unified",
  font: { color: "#8e8ea0", size: 11, family: "Inter, DejaVu Sans, sans-serif" },
  hoverlabel: { bgcolor: "#22252b", bordercolor: "#33363d", font: { color: "#ccccdc" } },
};
const axis = { gridcolor: "#25282d", linecolor: "#25282d", zeroline: false };
for (const [id, figure] of Object.entries(FIGURES)) {
  const layout = { ...common, ...figure.layout };
  layout.xaxis = { ...axis, type: "date", nticks: 8, ...layout.xaxis };
  layout.yaxis = { ...axis, ...layout.yaxis };
  const draw = () => Plotly.newPlot(id, figure.data, layout, { displayModeBar: false, responsive: true });
  const row = document.getElementById(id).closest("details");
  if (!row || row.open) draw();
  else row.addEventListener("toggle", draw, { once: true });
}
