"""What one call leaves behind. A leaf: whatever describes or bills a call takes this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from llm_otel.core.errors import Failure
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.server import Server
    from llm_otel.protocols.answer import Answer
    from llm_otel.protocols.spec import Accumulator, Endpoint, Request


class Record(NamedTuple):
    """What is known at the end of a call. It holds bodies, so it lives no longer than that.

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
    """

    series: Series
    endpoint: Endpoint
    server: Server
    request: Request
    model: str
    attribution: Mapping[str, str]
    streaming: bool
    seconds: float
    first_chunk: float | None
    answer: Answer
    failure: Failure
    result: object
    accumulator: Accumulator | None
    response: Any
    retries: int
