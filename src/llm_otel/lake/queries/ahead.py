"""Calls dated in the future, because the clock of their sender is ahead."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from llm_otel.lake.admission import AHEAD
from llm_otel.lake.queries import usage
from llm_otel.lake.queries.filters import HOUR, Filter
from llm_otel.lake.queries.reader import Connects, Reader

# Clocks that are set differ by less. Such calls are in the figures a moment later.
USUAL: Final = timedelta(minutes=1)


def ahead(lake: Connects, selection: Filter, now: datetime) -> int:
    """How many requests that the filter lets through are later than `now` and in the lake."""
    reader = Reader(lake, selection.over(now + USUAL, now + AHEAD), timedelta())
    usage.keep_window(reader, bucket_s=HOUR)
    return usage.request_counts(reader).requests
