// The waterfall of a trace: folding, and opening the span that the address names.
(function () {
  const depth = (row) => Number(row.dataset.depth);

  function folder(row) {
    return row.querySelector(".fold:not(.none)");
  }

  function put(address, row, swap) {
    return htmx.ajax("GET", address, { source: row, target: row, swap, push: "false" });
  }

  // Rows that are not here yet, put behind theirs; one of them may be here, as it was named.
  function load(row) {
    const button = folder(row);
    const { load: address } = button.dataset;
    button.removeAttribute("data-load");
    button.setAttribute("aria-expanded", "true");
    for (let next = row.nextElementSibling; next && depth(next) > depth(row); next = row.nextElementSibling) {
      next.remove();
    }
    return put(address, row, "afterend");
  }

  // Shows or hides what is below a row; what was folded further below stays so.
  function fold(row, open) {
    folder(row).setAttribute("aria-expanded", String(open));
    let closed = open ? Infinity : depth(row);
    for (let next = row.nextElementSibling; next && depth(next) > depth(row); next = next.nextElementSibling) {
      if (depth(next) <= closed) closed = Infinity;
      next.hidden = !open || closed !== Infinity;
      const own = folder(next);
      if (open && closed === Infinity && own?.getAttribute("aria-expanded") === "false") {
        closed = depth(next);
      }
    }
  }

  function foldAll(open) {
    for (const row of document.querySelectorAll(".waterfall > li")) {
      folder(row)?.setAttribute("aria-expanded", String(open));
      row.hidden = !open && depth(row) > 0;
    }
  }

  function show(row) {
    for (let at = row, above = depth(row); at && above >= 0; at = at.previousElementSibling) {
      if (depth(at) > above && at !== row) continue;
      at.hidden = false;
      if (at !== row) folder(at)?.setAttribute("aria-expanded", "true");
      above = depth(at) - 1;
    }
  }

  // A span that is folded away is asked for, once.
  function openFolded(span) {
    const address = new URL(location.href);
    if (!document.querySelector(".waterfall") || address.searchParams.get("span") === span) return;
    address.searchParams.set("span", span);
    location.replace(address);
  }

  function openNamed() {
    if (!location.hash.startsWith("#span-")) return;
    const row = document.getElementById(location.hash.slice(1));
    if (!row) return openFolded(location.hash.slice("#span-".length));
    show(row);
    row.querySelector("details").open = true;
    row.scrollIntoView({ block: "center" });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".fold:not(.none)");
    if (button) {
      event.preventDefault(); // the row itself stays as it is
      if (button.dataset.load) load(button.closest("li"));
      else fold(button.closest("li"), button.getAttribute("aria-expanded") !== "true");
    }
    const more = event.target.closest("[data-more]");
    if (more) put(more.dataset.more, more.closest("li"), "outerHTML");
    const all = event.target.closest("[data-fold-all]");
    if (all) foldAll(all.dataset.foldAll === "open");
  });
  addEventListener("hashchange", openNamed);
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.target?.id === "app") openNamed();
  });
  // After htmx, which listens to what opens.
  addEventListener("load", openNamed);
})();
