"""OTLP traces as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel.foreign.names import CALLS
from llm_otel.lake.decode import call_columns, span_batch, span_columns
from llm_otel.lake.decode.attributes import Places
from llm_otel.lake.decode.rewriting import rewritten
from llm_otel.lake.decode.span_batch import Batch, part
from llm_otel.lake.refusals import Refusals
from llm_otel.lake.schema import CALLS as CALLS_TABLE
from llm_otel.lake.schema import SPANS as SPANS_TABLE

Tables = tuple[pa.Table, pa.Table, npt.NDArray[np.int64]]
Result = TypeVar("Result")

_OPERATIONS: Final = pa.array(sorted(CALLS))
# A bug of ours that hits every span may not hold up the lake for minutes.
_MOST_TRIES: Final = 1000


def decode(
    bodies: Sequence[bytes], failed: Callable[[int], None], refusals: Refusals | None = None
) -> Tables:
    """Rows of `spans`, rows of `calls`, and to which row of `spans` each of these belongs.

    Args:
        bodies: Requests, each valid protobuf.
        failed: Called with the position of a request of which a span cannot be decoded, inside the
            `except`; the spans beside that one are, unless very many fail.
        refusals: Counts the values that are no numbers.
    """
    refusals = refusals or Refusals()
    tries = iter(range(_MOST_TRIES))
    lost: set[int] = set()

    def lose(requests: Places) -> None:
        for request in sorted(set(requests.tolist()) - lost):
            lost.add(request)
            failed(request)

    def read(requests: Places) -> Batch:
        batch = span_batch.read([bodies[number] for number in requests.tolist()])
        return replace(batch, request=requests[batch.request])

    def tables(batch: Batch) -> list[Tables]:
        def of_spans(spans: Places) -> Tables:
            return _tables(batch if len(spans) == len(batch) else part(batch, spans), refusals)

        every = np.arange(len(batch))
        return _by_halves(of_spans, every, lambda spans: lose(batch.request[spans]), tries)

    batches = _by_halves(read, np.arange(len(bodies)), lose, tries)
    made = [each for batch in batches for each in tables(batch)]
    if len(made) == 1:
        return made[0]
    nothing = (SPANS_TABLE.schema.empty_table(), CALLS_TABLE.schema.empty_table(), np.arange(0))
    spans, calls, of_call = zip(*made, nothing)
    before = np.cumsum([0, *map(len, spans)])
    return (
        pa.concat_tables(spans),
        pa.concat_tables(calls),
        np.concatenate([rows + first for rows, first in zip(of_call, before)]),
    )


def _by_halves(
    function: Callable[[Places], Result],
    numbers: Places,
    lost: Callable[[Places], None],
    tries: Iterator[int],
) -> list[Result]:
    """What a function makes of things with these numbers. Where it raises, what it makes of the
    halves, down to single ones; `lost` is called, inside the `except`, with those that it makes
    nothing of. Each failure takes one of `tries`; when there are none, what fails is lost."""
    try:
        return [function(numbers)]
    except Exception:  # noqa: BLE001 told by what it calls
        if len(numbers) < 2 or next(tries, None) is None:
            lost(numbers)
            return []
    middle = len(numbers) // 2
    halves = numbers[:middle], numbers[middle:]
    return [each for half in halves for each in _by_halves(function, half, lost, tries)]


def _tables(batch: Batch, refusals: Refusals) -> Tables:
    batch = rewritten(batch)
    spans = span_columns.columns(batch)
    rows = np.flatnonzero(pc.is_in(spans["operation"], _OPERATIONS).to_numpy(False))
    calls = call_columns.columns(batch, spans, rows, refusals)
    return (
        pa.table([spans[name] for name in SPANS_TABLE.schema.names], schema=SPANS_TABLE.schema),
        pa.table([calls[name] for name in CALLS_TABLE.schema.names], schema=CALLS_TABLE.schema),
        rows,
    )
