"""The calls that metrics count, and those that none do: see `lake.metering`."""

from __future__ import annotations

from typing import Final

from llm_otel.lake.metering import SAME
from llm_otel.lake.queries.reader import Reader

# What follows the table `c` of calls to keep those that the metrics count, or do not; and of the
# latter those of which they hold the money, or do not. Most lakes have no `metered_above`, and an
# anti join with nothing costs nothing.
_OWN: Final = """
    ANTI JOIN metered_above a ON a.trace_id = c.trace_id AND a.span_id = c.span_id
"""
ONLY_METERED: Final = f"ANTI JOIN unmetered u ON {SAME}"
ONLY_UNMETERED: Final = f"SEMI JOIN unmetered u ON {SAME} {_OWN}"
ONLY_PAID: Final = f"SEMI JOIN (SELECT * FROM unmetered WHERE paid) u ON {SAME} {_OWN}"
ONLY_UNPAID: Final = f"SEMI JOIN (SELECT * FROM unmetered WHERE NOT paid) u ON {SAME} {_OWN}"


def keep_unmetered(reader: Reader) -> None:
    """Put who sent calls that no metrics count, of all that the reader reaches, on its connection:
    the views `unmetered` and `metered_above` of the conditions here."""
    unmetered = reader.unmetered()
    reader.connection.register("unmetered", unmetered.senders)
    reader.connection.register("metered_above", unmetered.above)
