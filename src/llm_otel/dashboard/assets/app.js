// What needs no server: the theme, the time zone, menus, kept views, and that loading is seen.
(function () {
  const root = document.documentElement;

  function stored(name) {
    try {
      return localStorage.getItem(name);
    } catch (error) {
      return null; // No storage: a choice lasts as long as the page.
    }
  }

  function store(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch (error) {
      // The same.
    }
  }

  // ---------------------------------------------------------------- theme
  function isDark() {
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function changeTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    store("llm-otel-theme", root.dataset.theme);
  }

  // ---------------------------------------------------------------- time zone
  const FORMAT = new Intl.DateTimeFormat("en-GB", {
    day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hour12: false,
  });

  function isLocal() {
    return root.dataset.zone === "local";
  }

  function writeTimes() {
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.dataset.utc ??= time.textContent;
      const local = FORMAT.format(new Date(time.dateTime)).replace(",", "");
      time.textContent = isLocal() ? local : time.dataset.utc;
    }
    const word = isLocal() ? "local time" : "UTC";
    for (const zone of document.querySelectorAll(".zone")) zone.textContent = word;
    const button = document.getElementById("zone");
    if (!button) return;
    button.textContent = isLocal() ? "Local" : "UTC";
    button.setAttribute("aria-label", isLocal() ? "Times in local time" : "Times in UTC");
  }

  function changeZone() {
    root.dataset.zone = isLocal() ? "utc" : "local";
    store("llm-otel-zone", root.dataset.zone);
    writeTimes();
    document.dispatchEvent(new Event("llm-otel:zone"));
  }

  // ---------------------------------------------------------------- menus
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu !== except) menu.open = false;
    }
  }

  function narrow(field) {
    const words = field.value.toLowerCase();
    for (const choice of field.closest(".popover").querySelectorAll(".choice")) {
      choice.hidden = !choice.textContent.toLowerCase().includes(words);
    }
  }

  // ---------------------------------------------------------------- views
  const VIEWS = "llm-otel-views";

  function readViews() {
    try {
      const views = JSON.parse(stored(VIEWS) ?? "[]");
      return Array.isArray(views) ? views : [];
    } catch (error) {
      return [];
    }
  }

  function writeViews(views) {
    store(VIEWS, JSON.stringify(views));
    showViews();
  }

  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function showViews() {
    const list = document.getElementById("views");
    if (!list) return;
    const lines = readViews().map(({ name, address }) =>
      element("li", { className: "choice" },
        element("a", { className: "option", href: address, textContent: name }),
        element("button", {
          className: "only", type: "button", textContent: "forget",
          onclick: () => writeViews(readViews().filter((view) => view.name !== name)),
        })));
    list.replaceChildren(...(lines.length ? lines : [element("li", { className: "muted", textContent: "none kept yet" })]));
    htmx.process(list);
  }

  function keepView(form) {
    const name = form.querySelector("input").value.trim();
    if (!name) return;
    const address = location.pathname + location.search;
    writeViews([...readViews().filter((view) => view.name !== name), { name, address }]);
    form.reset();
  }

  // ---------------------------------------------------------------- copying
  // The clipboard is there on this machine and by HTTPS; elsewhere, the text is marked.
  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch (error) {
      getSelection().selectAllChildren(source);
      button.textContent = "Marked";
    }
  }

  // ---------------------------------------------------------------- what the reader does
  document.addEventListener("click", (event) => {
    if (event.target.closest("#theme")) changeTheme();
    if (event.target.closest("#zone")) changeZone();
    const copier = event.target.closest("[data-copy]");
    if (copier) copy(copier);
    if (!event.target.isConnected) return; // it took itself away, in a menu
    closeMenus(event.target.closest("details.menu"));
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches(".narrow")) narrow(event.target);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "keep-view") return;
    event.preventDefault();
    keepView(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      document.getElementById("search")?.select();
    }
    if (event.key !== "Escape") return;
    const menu = document.activeElement.closest("details.menu[open]");
    closeMenus(null);
    if (menu) menu.querySelector("summary").focus();
  });

  // ---------------------------------------------------------------- loading
  // The live refresh is not waited for: what one reads stays as it is meanwhile.
  function isOfPage(event) {
    return event.detail.ctx.target?.id === "app" || event.detail.ctx.target === document.body;
  }

  function busy(is) {
    document.getElementById("content")?.setAttribute("aria-busy", String(is));
  }

  // The page stays, though it is not what was asked for.
  function trouble(what) {
    const bar = document.getElementById("trouble");
    bar.textContent = `The dashboard ${what}: what you see may be old. Reload the page.`;
    bar.hidden = false;
  }

  let waiting = null;
  let page = location.pathname;
  document.addEventListener("htmx:before:request", (event) => {
    if (!isOfPage(event)) return;
    waiting = event.detail.ctx;
    busy(true);
  });
  document.addEventListener("htmx:finally:request", (event) => {
    if (event.detail.ctx !== waiting) return;
    waiting = null;
    busy(false);
  });
  document.addEventListener("htmx:response:error", (event) => {
    trouble(`answered ${event.detail.ctx.response.status}`);
  });
  document.addEventListener("htmx:error", () => trouble("did not answer"));
  document.addEventListener("htmx:after:swap", () => {
    writeTimes();
    showViews();
    document.querySelector(".menu-link.on")?.scrollIntoView({ inline: "center", block: "nearest" });
    if (location.pathname === page) return;
    page = location.pathname;
    closeMenus(null);
  });

  writeTimes();
  showViews();
})();
