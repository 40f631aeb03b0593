"""What response headers tell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from llm_otel import semconv
from llm_otel.core.headroom import TTL, Headroom, scan
from llm_otel.protocols.headers import COMMON
from llm_otel.testing import FakeClock

HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"X-Request-Id", b"req_1"),
    (b"x-ratelimit-limit-requests", b"100"),
    (b"x-ratelimit-remaining-requests", b"7"),
    (b"x-ratelimit-reset-requests", b"1m30s"),
    (b"x-ratelimit-limit-tokens", b"5000"),
    (b"x-ratelimit-remaining-tokens", b"4000"),
]


def _keep(headroom: Headroom, headers: dict[bytes, bytes]) -> None:
    headroom.keep("p", "m", SimpleNamespace(raw=list(headers.items())), COMMON)
    list(headroom.read(semconv.RATELIMITS[0]))  # parsed now, as the clock stands


def _values(headroom: Headroom) -> dict[str, float]:
    return {
        metric.name.rpartition("ratelimit.")[2]: value
        for metric in semconv.RATELIMITS
        for _, _, value in headroom.read(metric)
    }


def test_one_pass_gives_request_id_and_limits() -> None:
    """Names are found in any case; other headers are passed over."""
    request_id, limits = scan(HEADERS, COMMON)
    assert request_id == "req_1"
    assert sorted(limits) == sorted(name for name, _ in HEADERS[2:])


def test_a_reading_lives_until_its_reset_and_two_minutes_at_most() -> None:
    """A value older than its reset or two minutes is no longer told."""
    clock = FakeClock()
    headroom = Headroom(clock)
    _keep(headroom, dict(HEADERS))
    everything = {
        "requests.limit": 100.0,
        "requests.remaining": 7.0,
        "tokens.limit": 5000.0,
        "tokens.remaining": 4000.0,
    }
    assert _values(headroom) == everything
    clock.advance(89)
    assert _values(headroom) == everything
    clock.advance(2)
    assert _values(headroom) == {"tokens.limit": 5000.0, "tokens.remaining": 4000.0}
    clock.advance(TTL - 91)
    assert _values(headroom) == {}


@pytest.mark.parametrize(
    ("reset", "seconds"), [(b"120ms", 0.12), (b"6m0s", 120.0), (b"1.5s", 1.5), (b"3", 3.0)]
)
def test_resets_come_in_several_forms(reset: bytes, seconds: float) -> None:
    """Durations with units, and plain seconds."""
    clock = FakeClock()
    headroom = Headroom(clock)
    limit, name = b"x-ratelimit-limit-requests", b"x-ratelimit-reset-requests"
    _keep(headroom, {limit: b"1", name: reset})
    clock.advance(seconds * 0.99)
    assert _values(headroom) == {"requests.limit": 1.0}
    clock.advance(seconds * 0.02)
    assert _values(headroom) == {}


def test_nonsense_is_no_reading() -> None:
    """A value or a reset that is no number is passed over."""
    headroom = Headroom(FakeClock())
    _keep(
        headroom,
        {
            b"x-ratelimit-limit-requests": b"many",
            b"x-ratelimit-remaining-requests": b"5",
            b"x-ratelimit-reset-requests": b"soon",
        },
    )
    assert _values(headroom) == {"requests.remaining": 5.0}
