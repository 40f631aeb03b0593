"""The calls that metrics count, and those that none do: see `lake.metering`."""

from __future__ import annotations

from typing import Final

from llm_otel.lake.metering import END, SENDER
from llm_otel.lake.queries.reader import Reader

_SAME: Final = " AND ".join(
    f"{'c.' + name if name in SENDER else END.replace('time', 'c.time')} "
    f"IS NOT DISTINCT FROM unmetered.{name}"
    for name in (*SENDER, "hour")
)
# What follows the table `c` of calls to keep those that are not, or are, in the metrics.
ONLY_UNMETERED: Final = f"SEMI JOIN unmetered ON {_SAME}"
ONLY_METERED: Final = f"ANTI JOIN unmetered ON {_SAME}"


def keep_unmetered(reader: Reader) -> None:
    """Put who sent calls that no metrics count, of all that the reader reaches, on its connection
    as the view `unmetered`: for `ONLY_UNMETERED` and `ONLY_METERED`."""
    reader.connection.register("unmetered", reader.unmetered())
