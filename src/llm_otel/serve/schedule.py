"""Digests sent while `serve` runs: each day, or each Monday, at an hour."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Final

from llm_otel.monthly_budgets import Budgets

_logger = logging.getLogger("llm_otel.serve")

_MONDAY: Final = 0
# A clock that was set, or a laptop that slept: looked at again after so many seconds.
_LOOK_SECONDS: Final = 60.0


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(tzinfo=None)


def following(kind: str, at: time, now: datetime) -> datetime:
    """When the next digest is due: `day` every day, `week` every Monday; UTC."""
    due = datetime.combine(now.date(), at)
    while due <= now or (kind == "week" and due.weekday() != _MONDAY):
        due += timedelta(days=1)
    return due


@dataclass(frozen=True, slots=True)
class Digests:
    """What to send when.

    Attributes:
        kind: `day` or `week`.
        at: The hour, UTC.
        targets: Where to; as of `llm_otel.digest.send`.
        budgets: What may be spent.
        clock: The time now, UTC without a zone.
        dashboard: Where the pages are that a digest links to.
    """

    kind: str
    at: time
    targets: Sequence[str] = field(repr=False)
    budgets: Budgets
    clock: Callable[[], datetime] = _now
    dashboard: str = ""

    @contextmanager
    def running(self, lake: Path) -> Iterator[None]:
        """Send in the background until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(lake, stop), name="llm-otel-digests", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_LOOK_SECONDS)

    def _run(self, lake: Path, stop: threading.Event) -> None:
        due = following(self.kind, self.at, self.clock())
        while not stop.wait(min(_LOOK_SECONDS, max(0.0, (due - self.clock()).total_seconds()))):
            if self.clock() >= due:
                self.send(lake, due)
                due = following(self.kind, self.at, self.clock())

    def send(self, lake: Path, due: datetime) -> None:
        """Send the digest of the day, or the week, before `due`; what fails is logged."""
        import llm_otel.lake
        from llm_otel import digest
        from llm_otel.digest.send import send

        try:
            of = digest.period(self.kind, due.date() - timedelta(days=1))
            summary = digest.compute(llm_otel.lake.open(lake), of, self.budgets, self.dashboard)
            for failed in send(summary, self.targets):
                _logger.warning("The digest did not reach %s", failed)
        except Exception:
            _logger.exception("The digest could not be made")
