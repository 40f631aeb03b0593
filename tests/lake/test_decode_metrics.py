"""What each metric series gained, whatever its senders do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from lake import samples

import llm_otel.lake
from llm_otel.lake.decode import METRICS
from llm_otel.lake.ingest import Ingest

SECOND = 10**9
DAY = 86400 * SECOND
START = samples.NOW - 60 * SECOND


class Sent:
    """A lake that is sent metrics."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lake = llm_otel.lake.open(path)
        self.ingest = Ingest(path)

    def send(self, *requests: Any) -> None:
        """Send, one batch each, and wait for the rows."""
        for request in requests:
            self.ingest.accept(METRICS, request.SerializeToString()).result(10)
            self.ingest.flush()

    def restart(self) -> None:
        """Close it and open it again."""
        self.ingest.close()
        self.ingest = Ingest(self.path)

    def one(self, columns: str) -> tuple[Any, ...]:
        """Aggregates over the table."""
        found: tuple[Any, ...] = self.lake.sql(f"SELECT {columns} FROM metrics_hourly").fetchall()[
            0
        ]
        return found


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Sent]:
    """A new lake."""
    sent = Sent(tmp_path)
    yield sent
    sent.ingest.close()


def points(*values: float, start: int = START, step: int = SECOND, **more: Any) -> list[Any]:
    """Cumulative points a second apart."""
    first = samples.NOW
    return [
        samples.counter(value, time_ns=first + i * step, start_ns=start, **more)
        for i, value in enumerate(values)
    ]


def test_cumulative_points_give_their_differences(sent: Sent) -> None:
    """The first point of a process that began with the lake counts from 0, then what is new."""
    sent.send(*points(1.0, 1.0, 3.5))
    assert sent.one("sum(sum), count(*)") == (3.5, 2)


def test_a_point_sent_again_adds_nothing(sent: Sent) -> None:
    """Also when an older one comes late."""
    first, second = points(1.0, 3.0)
    sent.send(first, second, second, first)
    assert sent.one("sum(sum)") == (3.0,)


def test_a_restarted_server_goes_on_where_it_was(sent: Sent) -> None:
    """The state of the series is kept with the rows."""
    first, second, third = points(1.0, 3.0, 4.0)
    sent.send(first, second)
    sent.restart()
    sent.send(second, third)
    assert sent.one("sum(sum)") == (4.0,)


def test_a_restarted_process_counts_from_zero(sent: Sent) -> None:
    """By its start time, or, where that is the same, by its lower value."""
    sent.send(*points(5.0))
    sent.send(*points(2.0, start=START + SECOND))
    sent.send(samples.counter(1.0, time_ns=samples.NOW + 9 * SECOND, start_ns=START))
    assert sent.one("sum(sum)") == (8.0,)


def at(seconds: int, value: float, **more: Any) -> Any:
    """A cumulative point so many seconds after the first."""
    return samples.counter(value, time_ns=samples.NOW + seconds * SECOND, start_ns=START, **more)


LATE = {
    "in order": ([at(1, 5.0), at(2, 20.0), at(3, 3.0), at(4, 4.0)], 24.0),
    "before a restart": ([at(1, 5.0), at(3, 3.0), at(2, 20.0)], 23.0),
    "before and after a restart": ([at(1, 5.0), at(4, 4.0), at(2, 20.0), at(3, 3.0)], 24.0),
    "several before a restart": ([at(4, 3.0), at(1, 5.0), at(3, 20.0), at(2, 12.0)], 23.0),
    "in order of their values": ([at(4, 3.0), at(1, 5.0), at(2, 12.0), at(3, 20.0)], 23.0),
    "between two restarts": ([at(1, 20.0), at(3, 5.0), at(2, 15.0)], 40.0),
    "sent again": (
        [at(1, 5.0), at(3, 3.0), at(2, 20.0), at(2, 20.0), at(1, 5.0), at(3, 3.0)],
        23.0,
    ),
    "without any restart": ([at(1, 5.0), at(3, 20.0), at(2, 12.0)], 20.0),
    "lower by rounding alone": ([at(1, 0.1 + 0.2), at(2, 0.3), at(3, 0.3)], 0.3),
}


@pytest.mark.parametrize("order", LATE)
@pytest.mark.parametrize("batches", ["one", "each"])
def test_points_out_of_order_count_what_they_count_in_order(
    sent: Sent, order: str, batches: str
) -> None:
    """A point that is older than one with a lower value came before a restart: both count; in one
    request, and in batches of which the server is restarted between."""
    originals, total = LATE[order]
    requests = [type(each).FromString(each.SerializeToString()) for each in originals]
    if batches == "one":
        for request in requests[1:]:
            requests[0].MergeFrom(request)
        sent.send(requests[0])
    else:
        for request in requests:
            sent.send(request)
            sent.restart()
    assert sent.one("sum(sum)") == (pytest.approx(total),)


def test_other_buckets_are_no_restart(sent: Sent) -> None:
    """Sum and count go on; what the buckets gained is not known."""
    first, second = (
        samples.histogram(total, buckets, time_ns=samples.NOW + total * SECOND, start_ns=START)
        for total, buckets in ((2, [1, 1, 0]), (9, [1, 2, 1]))
    )
    point = second.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    del point.explicit_bounds[:]
    del point.bucket_counts[:]
    sent.send(first, second)
    assert sent.one("sum(sum), sum(count)::INT") == (9.0, 4)


def test_two_processes_with_one_name_are_both_counted(sent: Sent) -> None:
    """Start times tell them apart, point by point."""
    one, other = points(1.0, 2.0, 3.0), points(10.0, 20.0, 30.0, start=START + 7)
    for pair in zip(one, other):
        sent.send(*pair)
    assert sent.one("sum(sum)") == (33.0,)


def test_what_a_process_did_long_before_the_lake_is_not_the_lakes(sent: Sent) -> None:
    """Its first point is where counting begins."""
    long_ago = samples.NOW - 86400 * SECOND
    sent.send(*points(100.0, start=long_ago))
    sent.restart()
    sent.send(samples.counter(101.5, time_ns=samples.NOW + 60 * SECOND, start_ns=long_ago))
    assert sent.one("sum(sum)") == (1.5,)


def test_delta_points_count_as_they_are_and_once(sent: Sent) -> None:
    """Temporality delta, of SDKs set to it."""
    first, second = points(1.0, 2.0, temporality=1)
    sent.send(first, second, second)
    assert sent.one("sum(sum)") == (3.0,)


def test_delta_points_of_workers_with_one_identity_all_count(sent: Sent) -> None:
    """In any order, less than a millisecond apart; each once, also after a restart."""
    gains = [
        samples.counter(1.0, time_ns=samples.NOW + at, start_ns=START + at, temporality=1)
        for at in (600_000, 0, 900_000, 300_000)
    ]
    sent.send(*gains, gains[1])
    sent.restart()
    sent.send(*gains)
    assert sent.one("sum(sum)") == (4.0,)
    # The same time and another gain, or another start, is another worker.
    sent.send(samples.counter(2.0, time_ns=samples.NOW, start_ns=START, temporality=1))
    sent.send(samples.counter(1.0, time_ns=samples.NOW, start_ns=START + 1, temporality=1))
    assert sent.one("sum(sum)") == (7.0,)


def test_delta_points_of_long_ago_count_once(sent: Sent, clock: Clock) -> None:
    """Also when points came in many hours since; files of another service still count."""
    first = points(1.0, temporality=1)
    sent.send(*first)
    for hour in range(1, 60):
        clock.hours = hour
        at = samples.NOW + hour * 3600 * SECOND
        sent.send(samples.counter(1.0, time_ns=at, start_ns=at - SECOND, temporality=1))
    sent.restart()
    sent.send(*first, *points(1.0, temporality=1, labels={"model": "o3"}))
    assert sent.one("sum(sum)") == (61.0,)


class Clock:
    """Time as the receiver has it."""

    monotonic, sleep = staticmethod(time.monotonic), staticmethod(time.sleep)

    def __init__(self) -> None:
        self.days = self.hours = 0

    def time_ns(self) -> int:
        """Now, so much later."""
        return samples.NOW + self.days * DAY + self.hours * 3600 * SECOND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The receiver's clock, set by the test."""
    clock = Clock()
    monkeypatch.setattr("llm_otel.lake.ingest.time", clock)
    return clock


def test_a_jump_of_the_clock_counts_nothing_twice(sent: Sent, clock: Clock) -> None:
    """Two months ahead and back, with a restart: each series goes on where it was."""
    one, other = points(5.0, 6.0), points(7.0, 8.0, labels={"model": "o3"})
    delta = points(1.0, temporality=1, labels={"model": "gpt-5"})
    sent.send(one[0], other[0], *delta)
    clock.days = 60
    sent.send(one[1])
    sent.restart()
    clock.days = 0
    sent.send(other[1], *delta)
    assert sent.one("sum(sum)") == (6.0 + 8.0 + 1.0,)


def test_a_series_that_was_silent_for_a_month_is_not_counted_again(
    sent: Sent, clock: Clock
) -> None:
    """Its old value is forgotten; what it gains from now on counts."""
    silent = points(7.0, 8.0, 10.0, labels={"model": "o3"})
    sent.send(silent[0])
    for clock.days in range(1, 34):
        at = samples.NOW + clock.days * DAY
        sent.send(samples.counter(float(clock.days), time_ns=at, start_ns=START))
    sent.restart()
    sent.send(*silent[1:])
    assert sent.one("sum(sum)") == (7.0 + 33.0 + 2.0,)


WRONG = {
    "an infinite value": samples.counter(float("inf"), time_ns=samples.NOW, start_ns=START),
    "no number": samples.counter(float("nan"), time_ns=samples.NOW, start_ns=START),
    "more than anybody pays": samples.counter(1e300, time_ns=samples.NOW, start_ns=START),
    "a negative gain": samples.counter(-5.0, time_ns=samples.NOW, start_ns=START, temporality=1),
    "a negative total": samples.counter(-5.0, time_ns=samples.NOW, start_ns=START),
    "an infinite sum": samples.histogram(
        float("inf"), [1, 0, 0], time_ns=samples.NOW, start_ns=START
    ),
    "a count of 2^62": samples.histogram(1.0, [2**62, 0, 0], time_ns=samples.NOW, start_ns=START),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_points_that_cannot_be_right_are_left_out(sent: Sent, wrong: str) -> None:
    """They are counted as refused, the points beside them are taken, and later ones too."""
    good = {"model": "o3"}
    sent.send(WRONG[wrong], *points(2.0, labels=good), *points(3.0, 5.0, step=2 * SECOND))
    assert sent.one("sum(sum)") == (7.0,)
    assert sum(sent.ingest.refusals.counts().values()) == 1


def test_bounds_that_cannot_be_right_cost_the_buckets_alone(sent: Sent) -> None:
    """Sum and count of the histogram stay."""
    request = samples.histogram(9.0, [1, 2, 1], time_ns=samples.NOW, start_ns=START)
    point = request.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]
    point.explicit_bounds[1] = float("nan")
    sent.send(request)
    assert sent.one("sum(sum), sum(count), any_value(bounds)") == (9.0, 4, None)


def test_points_with_no_recorded_value_are_no_zeros(sent: Sent) -> None:
    """Of every kind: a series that ends leaves its figures as they are."""
    later = samples.NOW + 5 * SECOND
    kinds = {
        "counter": (*points(4.0), samples.counter(0.0, time_ns=later, start_ns=START)),
        "gauge": (samples.gauge(8, time_ns=samples.NOW), samples.gauge(0, time_ns=later)),
        "histogram": (
            samples.histogram(2.0, [1, 0, 0], time_ns=samples.NOW, start_ns=START),
            samples.histogram(0.0, [0, 0, 0], time_ns=later, start_ns=START),
        ),
    }
    for value, end in kinds.values():
        metric = end.resource_metrics[0].scope_metrics[0].metrics[0]
        getattr(metric, metric.WhichOneof("data")).data_points[0].flags = 1
        sent.send(value, end)
    sent.send(*points(4.0, 4.5, step=9 * SECOND))
    found = sent.lake.sql(
        "SELECT instrument, sum(sum), sum(count)::INT FROM metrics_hourly GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert found == [("counter", 4.5, None), ("gauge", 8.0, 1), ("histogram", 2.0, 1)]


def test_histograms_give_sums_counts_and_buckets(sent: Sent) -> None:
    """Bucket by bucket."""
    sent.send(
        samples.histogram(2.0, [1, 1, 0], time_ns=samples.NOW, start_ns=START),
        samples.histogram(9.0, [1, 2, 1], time_ns=samples.NOW + SECOND, start_ns=START),
    )
    rows = sent.lake.sql(
        "SELECT sum, count, bounds, buckets, instrument, operation FROM metrics_hourly ORDER BY sum"
    ).fetchall()
    assert rows == [
        (2.0, 2, [1.0, 5.0], [1, 1, 0], "histogram", "chat"),
        (7.0, 2, [1.0, 5.0], [0, 1, 1], "histogram", "chat"),
    ]


def test_gauges_are_sampled(sent: Sent) -> None:
    """Sum over count is the mean of the hour."""
    sent.send(*(samples.gauge(v, time_ns=samples.NOW + v) for v in (10, 20)))
    assert sent.one("sum(sum) / sum(count), any_value(instrument)") == (15.0, "gauge")


def test_labels_become_columns(sent: Sent) -> None:
    """`none` is NULL; the conventions' names are the short ones; the rest is a map."""
    labels = {
        "gen_ai.request.model": "m", "gen_ai.provider.name": "p", "gen_ai.token.type": "input",
        "feature": "none", "server.address": "host",
    }  # fmt: skip
    sent.send(*points(1.0, labels=labels, name="gen_ai.client.token.usage"))
    found = sent.one("metric, model, provider, token_type, feature, labels, service_name, hour")
    hour = datetime.fromtimestamp(samples.NOW // SECOND // 3600 * 3600, timezone.utc)
    expected = ("gen_ai.client.token.usage", "m", "p", "input", None, {"server.address": "host"})
    assert found == (*expected, "assistant", hour.replace(tzinfo=None))


def test_other_metrics_are_left_out(sent: Sent) -> None:
    """The lake is about calls to models."""
    sent.send(*points(1.0, name="http.server.request.duration"))
    assert sent.one("count(*)") == (0,)
