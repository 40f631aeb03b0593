"""The calls that metrics count, and those that none do: see `lake.metering`."""

from __future__ import annotations

from typing import Final

from llm_otel.lake.metering import HOURS, SENDER
from llm_otel.lake.queries.reader import Reader

_SAME: Final = " AND ".join(
    f"{text} IS NOT DISTINCT FROM u.{name}"
    for name, text in ({name: f"c.{name}" for name in SENDER} | HOURS).items()
)
# What follows the table `c` of calls to keep those that the metrics count, or do not; and of the
# latter those of which they hold the money, or do not.
ONLY_METERED: Final = f"ANTI JOIN unmetered u ON {_SAME}"
ONLY_UNMETERED: Final = f"SEMI JOIN unmetered u ON {_SAME}"
ONLY_PAID: Final = f"SEMI JOIN (SELECT * FROM unmetered WHERE paid) u ON {_SAME}"
ONLY_UNPAID: Final = f"SEMI JOIN (SELECT * FROM unmetered WHERE NOT paid) u ON {_SAME}"


def keep_unmetered(reader: Reader) -> None:
    """Put who sent calls that no metrics count, of all that the reader reaches, on its connection
    as the view `unmetered`: for `ONLY_UNMETERED` and `ONLY_METERED`."""
    reader.connection.register("unmetered", reader.unmetered())
