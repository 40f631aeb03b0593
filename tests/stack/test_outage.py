"""The month's cost after Prometheus was away, on the real Collector and the real Prometheus."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from stack.catchers import wait_for
from stack.parts import Part, fetch, free_port
from stack.whole import Whole, whole

from llm_otel import semconv
from llm_otel.stack import prometheus, render
from llm_otel.stack.config import Config
from llm_otel.stack.prometheus import budgets, recording

# An hour takes three seconds, a day 72.
SPEED: Final = 1_200
HOUR: Final = 3_600 / SPEED
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
CONFIG: Final = Config()


class Clock:
    """The time that the rules see: an evening at the end of November."""

    def __init__(self) -> None:
        begin = datetime(2026, 11, 30, 20, tzinfo=timezone.utc).timestamp()
        # by whole hours: a full hour of this clock is a multiple of the step of the subqueries
        self.shift = (time.time() * SPEED - begin) // 3_600 * 3_600

    def at(self, day: int, hour: float) -> float:
        """When it is that hour, in real seconds."""
        shown = datetime(2026, 12 if day < 30 else 11, day, tzinfo=timezone.utc).timestamp()
        return (shown + hour * 3_600 + self.shift) / SPEED

    def motion(self, path: str, text: str) -> str:
        """A generated file in which everything takes a 1,200th of its time."""
        if "/rules/" not in path and not path.endswith("prometheus.yml"):
            return text
        text = text.replace("time()", f"(time() * {SPEED} - {self.shift:.0f})")
        return re.sub(r"(?<=[\[: ])(\d+)([smhd])(?=[\]:)\s])", _scaled, text)


def _scaled(match: re.Match[str]) -> str:
    return f"{max(int(match[1]) * _SECONDS[match[2]] * 1000 // SPEED, 50)}ms"


class Program:
    """A service that spends money and exports the sum every two minutes of the fast clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.begin = time.time()
        self.sent: list[tuple[float, float]] = []
        self._random = random.Random(7)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._thread.join()

    def spent(self, since: float) -> float:
        """What was exported, less what had been until then."""
        sent = list(self.sent)
        before = sent[max(bisect_left(sent, (since,)) - 1, 0)][1]
        return sent[-1][1] - before

    def _run(self) -> None:
        spent = 0.0
        while not self._over.wait(0.1):
            spent += self._random.choice((0, 0, 0.01, 0.05, 0.2))
            now = time.time()
            fetch(
                f"{self.url}/v1/metrics",
                json.dumps(metrics({now: spent}, self.begin)).encode(),
                {"Content-Type": "application/json"},
            )
            self.sent.append((now, spent))


def metrics(values: dict[float, float], begin: float) -> dict[str, Any]:
    """OTLP of the counter of cost: its values by the time that they are of."""
    labels = {
        semconv.MODEL: "gpt-5",
        semconv.PROVIDER: "openai",
        semconv.OPERATION: "chat",
        semconv.TENANT_ID: "acme",
        semconv.FEATURE: "search",
        semconv.TOKEN_TYPE: "input",
    }
    points = [
        {
            "startTimeUnixNano": str(int(begin * 1e9)),
            "timeUnixNano": str(int(at * 1e9)),
            "asDouble": value,
            "attributes": attributes(labels),
        }
        for at, value in values.items()
    ]
    counter = {
        "name": semconv.COST.name,
        "unit": semconv.COST.unit,
        "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": points},
    }
    return {
        "resourceMetrics": [
            {
                "resource": {"attributes": attributes({"service.name": "shop"})},
                "scopeMetrics": [{"scope": {"name": "llm_otel"}, "metrics": [counter]}],
            }
        ]
    }


def attributes(texts: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()]


def until(moment: float) -> None:
    """Waits for a moment of the fast clock: what the test does is bound to it."""
    wait_for(lambda: time.time() >= moment, "a moment", 60)


def close(stack: Whole, program: Program, since: float) -> bool:
    """Whether the month to date is within 1 % of the counter."""
    found = stack.value(f'{budgets.MONTH_TO_DATE}{{scope="total"}}')
    return found is not None and found == pytest.approx(program.spent(since), rel=0.01)


def hours_hold_all(stack: Whole, program: Program) -> bool:
    """Whether the hours after the first recorded one hold what was spent since, within 2 %."""
    recorded = stack.query(f"{recording.HOURLY_COST}[5m]")
    if not recorded:
        return False
    (first, _), *later = recorded[0]["values"]
    total = sum(float(value) for _, value in later)
    return total == pytest.approx(program.spent(first), rel=0.02)


def test_the_month_has_what_was_spent_while_prometheus_was_away(tmp_path: Path) -> None:
    """After a restart over a full hour, and after a night that the Collector's queue bridged."""
    clock = Clock()
    flags = ("--query.lookback-delta=1s",)
    with whole(tmp_path, CONFIG, motion=clock.motion, flags=flags) as stack:
        program = Program(stack.otlp)
        with program.running():
            until(clock.at(30, 22.8))
            stack.prometheus.stop()
            until(clock.at(30, 23.1))
            stack.prometheus.start()
            wait_for(lambda: close(stack, program, 0), "the month of November after a restart", 25)
            stack.prometheus.stop()
            until(clock.at(1, 12))
            stack.prometheus.start()
        # no more is spent: what was recorded and what was delivered late has to add up
        midnight = clock.at(1, 0)
        assert program.spent(midnight) > 2
        wait_for(lambda: close(stack, program, midnight), "the month of December", 40)
        wait_for(lambda: hours_hold_all(stack, program), "the sum of the hours", 10)


def test_what_comes_a_night_late_is_taken(tmp_path: Path) -> None:
    """The Collector's queue delivers after Prometheus has scraped others: that is out of order."""
    render.write(tmp_path, prometheus.files(CONFIG))
    address = f"127.0.0.1:{free_port()}"
    arguments = [
        f"--config.file={tmp_path / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'series'}",
        f"--web.listen-address={address}",
        *prometheus.FLAGS,
    ]
    ready = f"http://{address}/-/ready"
    now = int(time.time())
    with Part("prometheus", arguments, ready=ready, log=tmp_path / "log"):
        for values in ({now: 40.0}, {now - 60 * (600 - n): n / 20 for n in range(600)}):
            fetch(
                f"http://{address}/api/v1/otlp/v1/metrics",
                json.dumps(metrics(dict(values), now - 86_400)).encode(),
                {"Content-Type": "application/json"},
            )
        query = f"sum(count_over_time({semconv.COST.prometheus}[11h]))"
        answer = json.loads(fetch(f"http://{address}/api/v1/query?query={query}"))
        assert float(answer["data"]["result"][0]["value"][1]) == 601
