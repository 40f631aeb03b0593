"""Usage to cost in USD, by maintained list prices and the settings' own.

`rates` does the arithmetic, `table` reads genai-prices, `surcharges` adds what depends on the host,
`overrides` and `parse` hold the setting `prices`, `loader` loads in the background, `engine` ties
them together.
"""

from __future__ import annotations

from llm_otel.pricing.by_hand import cost, cost_by_hand
from llm_otel.pricing.engine import Pricing
from llm_otel.pricing.overrides import Overrides
from llm_otel.pricing.parse import parse_overrides
from llm_otel.pricing.rates import Cost

__all__ = ["Cost", "Overrides", "Pricing", "cost", "cost_by_hand", "parse_overrides"]
