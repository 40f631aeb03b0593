// Runs before anything is drawn, so that a chosen theme does not flash.
(function () {
  try {
    const chosen = localStorage.getItem("llm-otel-theme");
    if (chosen === "dark" || chosen === "light") {
      document.documentElement.dataset.theme = chosen;
    }
  } catch (error) {
    // No storage: the theme follows the system.
  }
})();
