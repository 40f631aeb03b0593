"""OTLP traces as tables: the quick way where it can be gone, the other one where not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llm_otel.lake.decode import TRACES, from_protobuf, vectors
from llm_otel.lake.decode.columns import columns
from llm_otel.lake.decode.spans import Spans
from llm_otel.lake.refusals import Refusals
from llm_otel.lake.schema import CALLS, SPANS

_logger = logging.getLogger("llm_otel.lake")

Tables = tuple[pa.Table, pa.Table, npt.NDArray[np.int64]]


def decode(
    bodies: Sequence[bytes], failed: Callable[[int], None], refusals: Refusals | None = None
) -> Tables:
    """Rows of `spans`, rows of `calls`, and to which row of `spans` each of these belongs.

    Args:
        bodies: Requests, each valid protobuf.
        failed: Called with the position of a request of which a span cannot be decoded, inside the
            `except`; all other spans are.
        refusals: Counts the values that are no numbers.
    """
    refusals = refusals or Refusals()
    try:
        quick = vectors.decode(bodies)
    except Exception:
        _logger.exception("A batch is decoded one span at a time")
        return _by_rows(bodies, range(len(bodies)), failed, refusals)
    if not quick.left:
        return quick.spans, quick.calls, quick.of_call
    spans, calls, of_call = _by_rows(bodies, quick.left, failed, refusals)
    return (
        pa.concat_tables([quick.spans, spans]),
        pa.concat_tables([quick.calls, calls]),
        np.concatenate([quick.of_call, of_call + len(quick.spans)]),
    )


def _by_rows(
    bodies: Sequence[bytes],
    which: Iterable[int],
    failed: Callable[[int], None],
    refusals: Refusals,
) -> Tables:
    gathered = Spans()
    for number in which:
        one = Spans(refusals)
        try:
            one.add(from_protobuf(TRACES, bodies[number]))
        except Exception:  # noqa: BLE001 told by what it calls
            failed(number)
        gathered.extend(one)  # also the spans beside one that failed
    return (
        columns(gathered.spans, SPANS.schema),
        columns(gathered.calls, CALLS.schema),
        np.array(gathered.of_call, np.int64),
    )
