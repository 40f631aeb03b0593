"""How a browser measures what a reader of a page waits for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_QUIET_S = 1.0
_SETTLED_S = 30
_PATIENCE_MS = 60_000

# Gives the milliseconds since the click, or since the navigation began, once so many elements are
# laid out, one of them has the text, and a frame was painted with them; null if it takes too long.
_WAIT = """
async ({ selector, count, text, click, patience }) => {
  const pattern = new RegExp(text);
  const isThere = () => {
    const shown = [...document.querySelectorAll(selector)].filter((e) => e.getClientRects().length);
    return shown.length >= count && shown.some((element) => pattern.test(element.textContent));
  };
  const frame = () => new Promise(requestAnimationFrame);
  const since = click === null ? 0 : performance.now();
  if (click !== null) document.querySelector(click).click();
  while (!isThere()) {
    if (performance.now() - since > patience) return null;
    await frame();
  }
  await frame();
  return performance.now() - since;
}
"""
_COUNTS = (
    "selector => [document.querySelectorAll('*').length,"
    " document.querySelectorAll(selector).length]"
)


@dataclass(frozen=True)
class Target:
    """What is waited for: `count` elements on the page, one of which has text like `text`."""

    selector: str
    count: int = 1
    text: str = ""


@dataclass(frozen=True)
class Seen:
    """One wait of a reader: milliseconds (infinite: given up), bytes over the network until the
    page was quiet, and then the elements in the document and those like the target."""

    ms: float
    transferred: int
    nodes: int
    targets: int


class Reader:
    """A page of a browser, whose waits and transfers are measured."""

    def __init__(self, profile: Any) -> None:
        self.page = profile.new_page()
        self._transferred = 0
        self._last_byte = time.monotonic()
        network = profile.new_cdp_session(self.page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", self._finished)
        network.on("Network.dataReceived", self._received)

    def _finished(self, event: dict[str, Any]) -> None:
        self._transferred += int(event["encodedDataLength"])
        self._last_byte = time.monotonic()

    def _received(self, _event: dict[str, Any]) -> None:
        self._last_byte = time.monotonic()

    def goto(self, address: str, target: Target) -> Seen:
        """Go to an address: the time is from the start of the navigation."""
        return self._seen(target, lambda: self.page.goto(address, wait_until="commit"), None)

    def click(self, selector: str, target: Target) -> Seen:
        """Click on the first such element: the time is from the click."""
        return self._seen(target, lambda: None, selector)

    def _seen(self, target: Target, start: Callable[[], object], click: str | None) -> Seen:
        before = self._transferred
        start()
        ms = self.page.evaluate(
            _WAIT,
            {
                "selector": target.selector,
                "count": target.count,
                "text": target.text,
                "click": click,
                "patience": _PATIENCE_MS,
            },
        )
        if ms is None:
            print(f"{self.page.url} does not show {target} in {_PATIENCE_MS / 1000:.0f} s")
            ms = math.inf
        self._settle()
        nodes, targets = self.page.evaluate(_COUNTS, target.selector)
        return Seen(ms, self._transferred - before, nodes, targets)

    def _settle(self) -> None:
        """Until nothing has come over the network for a second: what is not waited for counts."""
        until = time.monotonic() + _SETTLED_S
        self._last_byte = time.monotonic()
        while time.monotonic() - self._last_byte < _QUIET_S and time.monotonic() < until:
            self.page.wait_for_timeout(50)
