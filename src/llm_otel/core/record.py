"""What one call leaves behind. A leaf: whatever describes or bills a call takes this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from llm_otel.core.errors import Failure
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.rollup.sums import Rollup
    from llm_otel.core.server import Server
    from llm_otel.protocols.answer import Answer
    from llm_otel.protocols.spec import Accumulator, Endpoint, Request


@dataclass(slots=True, eq=False)
class Record:
    """What is known at the end of a call. It holds bodies, so it lives no longer than that.

    Frozen for the type checker: named tuples cost more to make, and ten times as much to read.

    Attributes:
        series: Where the call is counted.
        endpoint: What is where in its bodies.
        server: Who answered.
        request: What was asked for.
        model: The requested model, `none` without one.
        attribution: Span attributes of the attribution.
        streaming: The answer came in chunks.
        seconds: Duration of the call.
        first_chunk: Seconds to a stream's first chunk.
        answer: What the response told, all that is counted locally included.
        failure: How the call failed.
        result: What the caller gets; None for a stream, and for a call that failed.
        accumulator: Holds a stream's messages, where content is captured.
        response: The HTTP response, of any kind; None where there is none.
        retries: How often the SDK sent the request again.
        rollup: The sums of the workflow or agent around it.
    """

    series: Final[Series]
    endpoint: Final[Endpoint]
    server: Final[Server]
    request: Final[Request]
    model: Final[str]
    attribution: Final[Mapping[str, str]]
    streaming: Final[bool]
    seconds: Final[float]
    first_chunk: Final[float | None]
    answer: Final[Answer]
    failure: Final[Failure]
    result: Final[object]
    accumulator: Final[Accumulator | None]
    response: Final[Any]
    retries: Final[int]
    rollup: Final[Rollup | None] = None
