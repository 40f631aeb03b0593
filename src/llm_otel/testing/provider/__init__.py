"""A deterministic local provider: a real HTTP server that speaks as OpenAI and as Anthropic."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from .bill import Bill
from .faults import FAULTS
from .latency import Latency, LatencySetting
from .limits import RateLimit
from .messages import Json, ReceivedRequest, Reply
from .service import Provider, ProviderSettings

__all__ = [
    "FAULTS",
    "Bill",
    "Latency",
    "Provider",
    "RateLimit",
    "ReceivedRequest",
    "Reply",
    "provider",
]


def provider(
    *,
    seed: int = 0,
    answer: str | Callable[[Json], str] | None = None,
    latency: LatencySetting = None,
    faults: Mapping[str, float] | None = None,
    retry_after: float = 0.05,
    rate_limit: RateLimit | None = None,
    polls: int = 2,
    host: str = "127.0.0.1",
    port: int = 0,
    keep: int = 10_000,
    clock: Callable[[], float] = time.monotonic,
) -> Provider:
    """A provider to be used with `with`; the same seed and requests give the same bodies.

    ```python
    with llm_otel.testing.provider() as p:
        client = openai.OpenAI(base_url=p.url, api_key="test")
        client = anthropic.Anthropic(base_url=p.origin, api_key="test")
    ```

    Args:
        seed: Of the texts, ids, faults and latencies.
        answer: The text of every answer, or a function from the request's body to it; by default
            the text is made up from the prompt.
        latency: Seconds, a `Latency`, or either by model pattern (`{"gpt-4o*": 0.2, "*": 0.1}`).
        faults: Share of the requests that each fault of `FAULTS` befalls, e.g. `{"hang": 0.01}`.
        retry_after: Seconds that a 429, 503 or 529 asks the client to wait.
        rate_limit: What the rate-limit headers say, for each model.
        polls: After how many retrievals a background response or a batch is completed.
        host, port: Where to listen; port 0 takes a free one.
        keep: How many received requests, and how many stored responses, are kept.
        clock: Seconds, for the rate limit.

    Raises:
        ValueError: A setting is wrong.
    """
    settings = ProviderSettings(
        seed=seed,
        answer=answer,
        latency=latency,
        faults=faults if faults is not None else {},
        retry_after=retry_after,
        rate_limit=rate_limit if rate_limit is not None else RateLimit(),
        polls=polls,
        host=host,
        port=port,
        keep=keep,
        clock=clock,
    )
    return Provider(settings)
