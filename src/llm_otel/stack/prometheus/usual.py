"""What each service takes, and what is usual for it: the same hours on comparable days.

A service that rests at weekends is no alarm on Monday. So a day is compared with the same weekday
of the two weeks before; with the days of its kind in the last week, while there is less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from llm_otel import semconv
from llm_otel.stack.prometheus.promql import BY_SOURCE, SOURCE, base, grown, observed
from llm_otel.stack.prometheus.rule import Rule

# The last hour of each service, without holes: one that is silent is there, as 0.
SERVICE_COST: Final = f"service:{base(semconv.COST)}:increase1h"
SERVICE_TOKENS: Final = f"service:{base(semconv.TOKENS_CONSUMED)}:increase1h"
SERVICE_REQUESTS: Final = "service:gen_ai_requests:increase1h"
# The last 24 hours, of a service that was there for as long.
SERVICE_DAY: Final = f"service:{base(semconv.COST)}:increase1d"

USUAL_DAY: Final = f"service:{base(semconv.COST)}:usual1d"
USUAL_TOKENS: Final = f"service:{base(semconv.TOKENS_CONSUMED)}:usual1h"

# How long a silent service is remembered: the two weeks that are looked back at, and a day.
REMEMBERED: Final = "15d"

_DAY_SECONDS: Final = 86_400
_HALF_HOUR: Final = 1_800
_AGO: Final = "days_ago"


def rules() -> Iterator[Rule]:
    """What services take, then what is usual."""
    for name, hour in (
        (SERVICE_COST, grown(semconv.COST, "1h", SOURCE)),
        (SERVICE_TOKENS, grown(semconv.TOKENS_CONSUMED, "1h", SOURCE)),
        (SERVICE_REQUESTS, observed(semconv.REQUEST_DURATION, "1h", SOURCE)),
    ):
        yield Rule(name, f"{hour}\nor\n0 * last_over_time({name}[{REMEMBERED}])")
    day = grown(semconv.COST, "1d", SOURCE)
    yield Rule(
        SERVICE_DAY,
        f"({day}\nor\n0 * {SERVICE_COST})\n"
        f"and on ({BY_SOURCE}) last_over_time({SERVICE_COST}[{REMEMBERED}] offset 1d)",
    )
    yield Rule(USUAL_DAY, _usual(_same_time, _whole_days))
    yield Rule(USUAL_TOKENS, _usual(_same_hour, _same_kind))


def _usual(then: Callable[[int], str], comparable: Callable[[int], str]) -> str:
    """The mean of the same weekday twice; before that, of the comparable days of a week.

    Args:
        then: PromQL of the value some days ago.
        comparable: A condition on that day, for less than a week ago; empty: it always is.
    """
    days = "\nor\n".join(
        f'label_replace({then(ago)}{comparable(ago)}, "{_AGO}", "{ago}", "", "")'
        for ago in range(1, 8)
    )
    return f"({then(7)} + {then(14)}) / 2\nor\navg by ({BY_SOURCE}) (\n{days}\n)"


def _same_time(ago: int) -> str:
    """The 24 hours up to this time, some days ago."""
    return _around(SERVICE_DAY, ago)


def _same_hour(ago: int) -> str:
    """This hour, some days ago; a service's first hour is none to compare with."""
    there = f"present_over_time({SERVICE_TOKENS}[30m] offset {24 * ago + 1}h)"
    return f"({_around(SERVICE_TOKENS, ago)} and on ({BY_SOURCE}) {there})"


def _around(series: str, ago: int) -> str:
    """The largest value within half an hour of this time of day: work may start a bit later."""
    return f"max_over_time({series}[1h] offset {24 * ago - 1}h30m)"


def _whole_days(ago: int) -> str:
    """24 hours without any of a weekend end on Tuesday to Friday; those with are like no other."""
    if ago == 7:
        return ""
    today, then = (f"{_weekday(seconds)} >= 2 <= 5" for seconds in (0, ago * _DAY_SECONDS))
    return f" and on () ({today}) and on () ({then})"


def _same_kind(ago: int) -> str:
    """Both hours are of weekdays, or both of a weekend; the middle of an hour decides."""
    if ago == 7:
        return ""
    today, then = (
        f"{_weekday(_HALF_HOUR + seconds)} % 6 == bool 0" for seconds in (0, ago * _DAY_SECONDS)
    )
    return f" and on () (({today}) == ({then}))"


def _weekday(seconds_ago: int) -> str:
    """The weekday in UTC, 0 being Sunday and 6 Saturday."""
    return f"day_of_week(vector(time() - {seconds_ago}))"
