// What needs no server: the theme, menus that close as one expects, and that loading is seen.
(function () {
  const root = document.documentElement;

  function isDark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function changeTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("llm-otel-theme", root.dataset.theme);
    } catch (error) {
      // No storage: the choice lasts as long as the page.
    }
  }

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("#theme")) changeTheme();
    closeMenus(event.target.closest("details.menu"));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.activeElement.closest("details.menu[open]");
    closeMenus(null);
    if (menu) menu.querySelector("summary").focus();
  });

  // ---------------------------------------------------------------- loading
  // The live refresh is not waited for: what one reads stays as it is meanwhile.
  function isLive(event) {
    return event.detail.ctx.sourceElement.id === "live";
  }

  function busy(is) {
    document.getElementById("content").setAttribute("aria-busy", String(is));
  }

  let waiting = null;
  let page = document.getElementById("app").dataset.page;
  document.addEventListener("htmx:before:request", (event) => {
    if (isLive(event)) return;
    waiting = event.detail.ctx;
    busy(true);
  });
  document.addEventListener("htmx:finally:request", (event) => {
    if (event.detail.ctx !== waiting) return;
    waiting = null;
    busy(false);
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const current = document.getElementById("app").dataset.page;
    if (current === page) return;
    page = current;
    closeMenus(null);
    if (event.detail.ctx.push !== undefined || event.detail.ctx.sourceElement !== document.body) scrollTo(0, 0);
  });
})();
