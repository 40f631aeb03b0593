"""Which calls have a cost that is not known, or not known in full: SQL for the columns of `calls`.

Rows that were written before the column `cost_status` are judged by their tokens.
"""

from __future__ import annotations

from typing import Final

from llm_otel import semconv

_NO_PRICE: Final = "(cost_usd IS NULL AND (input_tokens > 0 OR output_tokens > 0))"

# The mark of a call: a value of `cost_status`, NULL where the cost is whole.
STATUS: Final = f"coalesce(cost_status, CASE WHEN {_NO_PRICE} THEN '{semconv.COST_UNPRICED}' END)"
# Whether a call has such a mark. As a condition it takes three quarters of the time of the mark.
MARKED: Final = f"(cost_status IS NOT NULL OR {_NO_PRICE})"
# Whether the true cost of a call is higher than `cost_usd`, or not known at all.
UNPRICED: Final = f"(cost_status <> '{semconv.USAGE_ESTIMATED}' OR {_NO_PRICE})"
