"""Small lakes whose digests can be worked out by hand."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import llm_otel.lake
from llm_otel.lake.reading import Lake
from llm_otel.lake.writer import Writer

LAST = date(2026, 11, 20)  # a Friday
NOON = time(12)


def call(day: date, n: int = 0, **columns: Any) -> dict[str, Any]:
    """One call at noon of a day."""
    moment = datetime.combine(day, NOON) + timedelta(seconds=n)
    row = {
        "time": moment,
        "trace_id": f"{day.toordinal():016x}{n:016x}",
        "span_id": f"{n:016x}",
        "service_name": "shop",
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "tenant_id": "acme",
        "feature": "search",
        "status": "ok",
        "duration_s": 1.0,
        "input_tokens": 800,
        "output_tokens": 200,
        "cost_usd": 0.5,
    }
    return {**row, **columns}


def days(count: int, last: date = LAST) -> list[date]:
    """The `count` days up to and with `last`."""
    return [last - timedelta(days=n) for n in range(count)]


def lake(folder: Path, **tables: list[dict[str, Any]]) -> Lake:
    """A lake that holds these rows."""
    with Writer(folder) as writer:
        writer.append(**tables)
    return llm_otel.lake.open(folder)
