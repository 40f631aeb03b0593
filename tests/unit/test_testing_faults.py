"""Faults, latency and rate limits of the local provider."""

from __future__ import annotations

import socket
import time
from collections import Counter

import openai
import pytest

from llm_otel.testing import FAULTS, FakeClock, Latency, RateLimit, provider

REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello there"}]}


@pytest.fixture
def p():
    with provider() as serving:
        yield serving


@pytest.fixture
def client(p):
    with openai.OpenAI(base_url=p.url, api_key="test", max_retries=0, timeout=5) as made:
        yield made


REFUSED = {
    "rate_limit": (openai.RateLimitError, 429),
    "quota": (openai.RateLimitError, 429),
    "insufficient_funds": (openai.APIStatusError, 402),
    "capacity": (openai.APIStatusError, 498),
    "server_error": (openai.InternalServerError, 500),
    "unavailable": (openai.InternalServerError, 503),
    "authentication": (openai.AuthenticationError, 401),
    "permission": (openai.PermissionDeniedError, 403),
    "invalid_request": (openai.BadRequestError, 400),
    "context_length": (openai.BadRequestError, 400),
    "not_found": (openai.NotFoundError, 404),
    "content_filter": (openai.BadRequestError, 400),
    "bad_gateway": (openai.InternalServerError, 502),
}
# How a plain call and the reading of a stream end; None: the stream just stops.
BROKEN = {
    "malformed_json": (ValueError, ValueError),
    "truncated": (openai.APIConnectionError, None),
    "disconnect": (openai.APIConnectionError, openai.APIConnectionError),
    "stream_error": (openai.InternalServerError, openai.APIError),
}


class TestFaults:
    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("fault", REFUSED)
    def test_refusals(self, client, p, fault, stream):
        """A refusal raises the SDK's error of its status, streamed or not; the next call works."""
        kind, status = REFUSED[fault]
        p.enqueue(fault)
        with pytest.raises(kind) as raised:
            client.chat.completions.create(**REQUEST, stream=stream)
        assert raised.value.status_code == status
        assert client.chat.completions.create(**REQUEST).choices

    def test_retry_after(self, client, p):
        """A 429 says when to come back, and the SDK's own retry then succeeds."""
        p.enqueue("rate_limit")
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(**REQUEST)
        headers = raised.value.response.headers
        assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "50")
        p.enqueue("rate_limit")
        assert client.with_options(max_retries=1).chat.completions.create(**REQUEST).choices

    @pytest.mark.parametrize("fault", BROKEN)
    def test_broken_answers(self, client, p, fault):
        """A plain answer that comes broken raises."""
        p.enqueue(fault)
        with pytest.raises(BROKEN[fault][0]):
            client.chat.completions.create(**REQUEST)

    @pytest.mark.parametrize("fault", BROKEN)
    def test_broken_streams(self, client, p, fault):
        """A stream brings a part of its chunks before it breaks."""
        whole = len(list(client.chat.completions.create(**REQUEST, stream=True)))
        p.enqueue(fault)
        seen, ended = [], None
        try:
            seen.extend(client.chat.completions.create(**REQUEST, stream=True))
        except Exception as error:
            ended = error
        expected = BROKEN[fault][1]
        assert ended is None if expected is None else isinstance(ended, expected), repr(ended)
        assert 0 <= len(seen) < whole

    def test_html(self, client, p):
        """A sign-in page instead of JSON comes through as the SDK passes it."""
        p.enqueue("html")
        assert "Sign in" in client.chat.completions.create(**REQUEST)

    @pytest.mark.parametrize("fault", ["hang", "stall"])
    def test_hanging(self, client, p, fault):
        """A hanging answer runs into the client's timeout; the provider goes on serving."""
        p.enqueue(fault)
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2).chat.completions.create(**REQUEST)
        assert client.chat.completions.create(**REQUEST).choices

    def test_stalled_stream(self, client, p):
        """A stalled stream brings chunks and then nothing until the timeout."""
        p.enqueue("stall")
        stream = client.with_options(timeout=0.2).chat.completions.create(**REQUEST, stream=True)
        assert next(stream).choices
        with pytest.raises(openai.APITimeoutError):
            list(stream)

    def test_closing_ends_a_hanging_call(self, client, p):
        """Closing the provider drops connections that hang."""
        with socket.create_connection(("127.0.0.1", int(p.origin.rpartition(":")[2]))) as raw:
            p.enqueue("hang")
            raw.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
            while not p.requests:
                time.sleep(0)
            p.close()
            assert raw.recv(1) == b""

    def test_rates_are_seeded(self):
        """The shares hold, and the same seed gives the same faults again after a reset."""
        rates = {"server_error": 0.2, "rate_limit": 0.3}
        with (
            provider(seed=7, faults=rates) as p,
            openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as client,
        ):
            first = [_outcome(client) for _ in range(200)]
            p.reset()
            second = [_outcome(client) for _ in range(200)]
        assert first == second
        counts = Counter(first)
        assert (counts[429], counts[500], counts[200]) == pytest.approx((60, 40, 100), abs=20)

    def test_every_fault_can_be_scripted(self, p):
        """All names of `FAULTS` are accepted, and none but these."""
        p.enqueue(*FAULTS)
        with pytest.raises(ValueError, match=r"no fault 'flood'; the faults are rate_limit, "):
            p.enqueue("flood")


def _outcome(client):
    try:
        client.chat.completions.create(**REQUEST)
    except openai.APIStatusError as error:
        return error.status_code
    return 200


class TestLatency:
    def test_time_to_first_chunk_and_between(self):
        """A stream takes `first` to its first chunk and `per_chunk` for each further one."""
        profile = Latency(first=0.08, per_chunk=0.01)
        with (
            provider(latency=profile, answer="a b c") as p,
            openai.OpenAI(base_url=p.url, api_key="test") as client,
        ):
            start = time.perf_counter()
            stream = client.chat.completions.create(**REQUEST, stream=True)
            first, *rest = ((time.perf_counter() - start, chunk) for chunk in stream)
            plain_start = time.perf_counter()
            client.chat.completions.create(**REQUEST)
            plain = time.perf_counter() - plain_start
        # Each from the start: a reader that was late for the first chunk finds the next ones ready.
        assert first[0] >= 0.08
        assert rest[-1][0] >= 0.08 + 0.01 * len(rest)
        assert plain >= 0.08 + 2 * 0.01

    def test_by_model(self):
        """The first pattern that matches the model gives its latency, told in the headers."""
        with (
            provider(latency={"gpt-4o*": 0.03, "*": 0.001}) as p,
            openai.OpenAI(base_url=p.url, api_key="test") as client,
        ):
            create = client.chat.completions.with_raw_response.create
            took = [
                int(create(**{**REQUEST, "model": model}).headers["openai-processing-ms"])
                for model in ("gpt-4o-mini", "o3")
            ]
        assert took == [30, 1]

    def test_log_normal_is_seeded(self):
        """A log-normal profile varies around its median, the same way for the same seed."""
        runs = []
        for _ in range(2):
            with (
                provider(seed=3, latency=Latency(first=0.004, sigma=0.5)) as p,
                openai.OpenAI(base_url=p.url, api_key="test") as client,
            ):
                create = client.chat.completions.with_raw_response.create
                runs.append([create(**REQUEST).headers["openai-processing-ms"] for _ in range(12)])
        assert runs[0] == runs[1]
        assert len(set(runs[0])) > 2


class TestRateLimit:
    def test_headers(self):
        """What remains falls with each call, by model, and is full again after the window."""
        clock = FakeClock()
        limit = RateLimit(requests=10, tokens=1000, window=90)
        with (
            provider(rate_limit=limit, clock=clock) as p,
            openai.OpenAI(base_url=p.url, api_key="test") as client,
        ):
            first = _limits(client)
            clock.advance(30)
            second = _limits(client)
            other = _limits(client, "gpt-4.1")
            clock.advance(60)
            third = _limits(client)
        assert first["limit-requests"] == "10"
        assert [seen["remaining-requests"] for seen in (first, second, other, third)] == [
            "9", "8", "9", "9",
        ]  # fmt: skip
        assert [seen["reset-tokens"] for seen in (first, second)] == ["1m30s", "1m0s"]
        assert int(first["remaining-tokens"]) > int(second["remaining-tokens"]) > 900

    def test_enforced(self):
        """An enforced limit answers 429 when it is used up, and is served again later."""
        clock = FakeClock()
        with (
            provider(rate_limit=RateLimit(requests=1, enforce=True), clock=clock) as p,
            openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as client,
        ):
            outcomes = [_outcome(client), _outcome(client)]
            clock.advance(60)
            outcomes.append(_outcome(client))
        assert outcomes == [200, 429, 200]

    def test_clock_goes_forward(self):
        """A fake clock cannot be turned back."""
        with pytest.raises(ValueError, match="cannot go back"):
            FakeClock().advance(-1)


def _limits(client, model="gpt-4o"):
    raw = client.chat.completions.with_raw_response.create(**{**REQUEST, "model": model})
    prefix = "x-ratelimit-"
    return {k.removeprefix(prefix): v for k, v in raw.headers.items() if k.startswith(prefix)}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"seed": "x"}, "seed must be a whole number from 0, not 'x'."),
        ({"polls": -1}, "polls must be a whole number from 0, not -1."),
        ({"keep": 0}, "keep must be a whole number from 1, not 0."),
        ({"latency": -1}, "latency must be a finite number of at least 0, not -1."),
        ({"latency": {"*": "slow"}}, "latency must be a finite number of at least 0, not 'slow'."),
        ({"faults": {"flood": 1}}, "there is no fault 'flood'; the faults are "),
        ({"faults": {"hang": 2}}, "the rate of fault 'hang' must be from 0 to 1, not 2."),
        (
            {"faults": {"hang": 0.6, "html": 0.6}},
            "the rates of all faults must be at most 1 in sum, not 1.2.",
        ),
        ({"faults": ["hang"]}, "faults must map names to rates, not ['hang']."),
        ({"answer": 5}, "answer must be a text or a function, not 5."),
        ({"rate_limit": 5}, "rate_limit must be a RateLimit, not 5."),
        ({"retry_after": None}, "retry_after must be seconds from 0, not None."),
    ],
)
def test_wrong_settings(settings, sentence):
    """A wrong setting is one sentence that names it, what is allowed and what came."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        provider(**settings)
    assert str(raised.value).startswith(sentence)


def test_wrong_profiles():
    """Profiles check their numbers as well."""
    with pytest.raises(ValueError, match=r"Latency\(sigma=…\) must be"):
        Latency(sigma=float("nan"))
    with pytest.raises(ValueError, match=r"RateLimit\(window=…\) must be a number above 0, not 0"):
        RateLimit(window=0)
