// Runs before anything is drawn, so that a chosen theme or time zone does not flash.
(function () {
  const root = document.documentElement;
  root.dataset.zone = "utc";
  try {
    const theme = localStorage.getItem("llm-otel-theme");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    if (localStorage.getItem("llm-otel-zone") === "local") root.dataset.zone = "local";
  } catch (error) {
    // No storage: the theme follows the system, times are in UTC.
  }
})();
