"""What response headers tell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from llm_otel import semconv
from llm_otel.core.headroom import TTL, Headroom, scan
from llm_otel.protocols import headers
from llm_otel.protocols.anthropic.messages import HEADERS as ANTHROPIC
from llm_otel.protocols.headers import COMMON, Headers
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


NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z

# How providers write that a limit is whole again in so many seconds, at `NOW`.
RESETS = [
    (b"120ms", 0.12), (b"6m0s", 120.0), (b"1.5s", 1.5), (b"2m59.56s", 120.0), (b"1d2h", 120.0),
    (b"3", 3.0), (b"11.382867097855", 11.382867097855), (b"33011.38", 120.0),
    (b"1800000030", 30.0), (b"1800000030000", 30.0), (b"1800000000250", 0.25),
    (b"2027-01-15T08:00:30Z", 30.0), (b"2027-01-15T08:00:30+00:00", 30.0),
    (b"2027-01-15T09:00:30.500000+01:00", 30.5),
    (b"soon", 120.0), (b"", 120.0), (b"2027-13-40T99:00:00Z", 120.0),
]  # fmt: skip


@pytest.mark.parametrize(("reset", "seconds"), RESETS)
def test_resets_come_in_several_forms(
    monkeypatch: pytest.MonkeyPatch, reset: bytes, seconds: float
) -> None:
    """Durations, seconds, Unix times and RFC 3339; what is none of these says nothing."""
    clock = FakeClock()
    began = clock()
    monkeypatch.setattr(headers.time, "time", lambda: NOW + clock() - began)
    headroom = Headroom(clock)
    limit, name = b"x-ratelimit-limit-requests", b"x-ratelimit-reset-requests"
    _keep(headroom, {limit: b"1", name: reset})
    clock.advance(seconds * 0.99)
    assert _values(headroom) == {"requests.limit": 1.0}
    clock.advance(seconds * 0.02)
    assert _values(headroom) == {}


# What a provider sends -> what is shown of requests and of tokens, and when that ends (s).
PROVIDERS: dict[str, tuple[Headers, dict[str, str], tuple[float, ...], float]] = {
    "openai, azure, groq, github": (
        COMMON,
        {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "99",
         "x-ratelimit-limit-tokens": "5000", "x-ratelimit-remaining-tokens": "4000",
         "x-ratelimit-reset-requests": "1m0s", "x-ratelimit-reset-tokens": "60s",
         "x-ratelimit-renewalperiod-requests": "60", "retry-after-ms": "1"},
        (100, 99, 5000, 4000), 60,
    ),
    "cerebras": (
        COMMON,
        {"x-ratelimit-limit-requests-day": "14400", "x-ratelimit-remaining-requests-day": "14399",
         "x-ratelimit-limit-tokens-minute": "60000", "x-ratelimit-remaining-tokens-minute": "100",
         "x-ratelimit-reset-requests-day": "33011.382867097855",
         "x-ratelimit-reset-tokens-minute": "11.382867097854614"},
        (14400, 14399, 60000, 100), 11.382867097854614,
    ),
    "mistral": (
        COMMON,
        {"x-ratelimit-limit-req-minute": "50", "x-ratelimit-remaining-req-minute": "49",
         "x-ratelimit-limit-tokens-minute": "50000", "x-ratelimit-remaining-tokens-minute": "47300",
         "x-ratelimit-tokens-query-cost": "1300"},
        (50, 49, 50000, 47300), TTL,
    ),
    "mistral until 2025": (
        COMMON,
        {"ratelimitbysize-limit": "500000", "ratelimitbysize-remaining": "467993",
         "ratelimitbysize-query-cost": "32007", "ratelimitbysize-reset": "40",
         "x-ratelimitbysize-remaining-month": "1"},
        (500000, 467993), 40,
    ),
    "fireworks": (
        COMMON,
        {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "599",
         "x-ratelimit-limit-tokens-prompt": "7200000",
         "x-ratelimit-remaining-tokens-prompt": "7193993",
         "x-ratelimit-limit-tokens-generated": "72000",
         "x-ratelimit-remaining-tokens-generated": "69338", "x-ratelimit-over-limit": "no"},
        (600, 599, 7200000, 7193993), TTL,
    ),
    "together": (
        COMMON,
        {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1",
         "x-tokenlimit-limit": "33333", "x-tokenlimit-remaining": "33000",
         "x-tokenlimit-reset": "1"},
        (10, 9, 33333, 33000), 1,
    ),
    "openrouter": (
        COMMON,
        {"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0",
         "X-RateLimit-Reset": "1800000060000"},
        (20, 0), 60,
    ),
    "cohere, a trial key": (
        COMMON,
        {"x-endpoint-monthly-call-limit": "1000", "x-trial-endpoint-call-limit": "20",
         "x-trial-endpoint-call-remaining": "19"},
        (20, 19), TTL,
    ),
    "anthropic": (
        ANTHROPIC,
        {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49",
         "anthropic-ratelimit-requests-reset": "2027-01-15T08:01:00Z",
         "anthropic-ratelimit-tokens-limit": "40000",
         "anthropic-ratelimit-tokens-remaining": "39000",
         "anthropic-ratelimit-tokens-reset": "2027-01-15T08:01:00Z",
         # The window of a part, over before: says nothing of the whole.
         "anthropic-ratelimit-input-tokens-limit": "30000",
         "anthropic-ratelimit-input-tokens-remaining": "29000",
         "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:01Z"},
        (50, 49, 40000, 39000), 60,
    ),
    "anthropic, parts alone": (
        ANTHROPIC,
        {"anthropic-ratelimit-input-tokens-limit": "30000",
         "anthropic-ratelimit-input-tokens-remaining": "29000",
         "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:30Z"},
        (30000, 29000), 30,
    ),
    "anthropic, priority": (
        ANTHROPIC,
        {"anthropic-priority-input-tokens-limit": "10000",
         "anthropic-priority-input-tokens-remaining": "9618",
         "anthropic-priority-input-tokens-reset": "2027-01-15T08:00:59Z",
         "anthropic-priority-output-tokens-limit": "10000",
         "anthropic-priority-output-tokens-remaining": "6000",
         "anthropic-priority-output-tokens-reset": "2027-01-15T08:00:01Z"},
        (10000, 9618), 59,
    ),
    "kong": (COMMON, {"x-ratelimit-limit": "10, 10;w=1", "x-ratelimit-remaining": "?"}, (), 1),
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_has_names_of_its_own(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    """Limits and what is left of them, until the provider says that they are whole again."""
    names, sent, shown, seconds = PROVIDERS[provider]
    clock = FakeClock()
    began = clock()
    monkeypatch.setattr(headers.time, "time", lambda: NOW + clock() - began)
    headroom = Headroom(clock)
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    headroom.keep("p", "m", SimpleNamespace(raw=raw), names)
    assert tuple(_values(headroom).values()) == shown
    clock.advance(seconds - 0.1)
    assert tuple(_values(headroom).values()) == shown
    clock.advance(0.2)
    assert len(_values(headroom)) < max(len(shown), 1)


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
