"""What is measured of one call: what waits in the backlog, frozen and without bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.context import Context

if TYPE_CHECKING:
    from llm_otel.core.metrics.semconv_points import SemconvPoints
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.rollup.sums import Rollup
    from llm_otel.pricing import Cost
    from llm_otel.usage import Usage


@dataclass(slots=True, eq=False)
class Bill:
    """What a call is billed for.

    Attributes:
        used: The usage to count; None for none.
        used_by: Whose it is: work that is polled belongs to the call that began it.
        cost: What `used` costs, what the provider reports, or the time of a machine.
        priced: Whether `cost` is to be counted now; None counts as unpriced.
        usage_unknown: The call should have reported its usage and did not.
        rollup: Of the step that `used` belongs to, likewise.
        unsettled: 1 where a poll may tell the usage later, -1 where it tells what was awaited.
    """

    used: Final[Usage | None]
    used_by: Final[Series]
    cost: Final[Cost | None] = None
    priced: Final[bool] = False
    usage_unknown: Final[bool] = False
    rollup: Final[Rollup | None] = None
    unsettled: Final[int] = 0


class Measurement(NamedTuple):
    """What waits to be measured of a call.

    Attributes:
        series: Where the call is counted.
        context: Holds the span that the exemplar leads to.
        seconds: Duration of the call.
        first_chunk: Seconds to a stream's first chunk.
        error: Class of the error, or None.
        error_type: `error.type`, or None.
        usage: What the answer told of its usage, counted or not.
        bill: What the call is billed for.
        semconv_points: Where it is recorded in the conventions' metrics; None for nowhere.
        semconv_recorders: Record it there.
    """

    series: Series
    context: Context
    seconds: float
    first_chunk: float | None
    error: str | None
    error_type: str | None
    usage: Usage | None
    bill: Bill
    semconv_points: SemconvPoints | None
    semconv_recorders: tuple[Recorder, ...]


Recorder = Callable[[Measurement, "SemconvPoints"], None]
