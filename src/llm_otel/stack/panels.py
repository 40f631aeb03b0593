"""The panels that something outside a dashboard points at: alerts, docs, other dashboards.

The number is the panel's id in its dashboard; it never changes, as links in old messages hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

OPERATIONS: Final = "llm-operations"
COST: Final = "llm-cost-tenants"
QUALITY: Final = "llm-quality-roi"
PIPELINE: Final = "llm-pipeline-health"

# Variables of every dashboard, named as the labels that they hold; the order is that on the page.
VARIABLES: Final = (
    "deployment_environment_name",
    "service_name",
    "provider",
    "model",
    "feature",
    "tenant_id",
)


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a panel is.

    Attributes:
        dashboard: The dashboard's uid.
        id: The panel's id in it.
    """

    dashboard: str
    id: int

    def link(self, base: str, **parameters: str) -> str:
        """The address of the panel alone, in the form of Grafana 11 and later.

        Args:
            base: Where Grafana is, without a slash at the end.
            parameters: More of the query: `from`, `to`, `var-<variable>`.
        """
        query = urlencode({"viewPanel": f"panel-{self.id}", **parameters})
        return f"{base}/d/{self.dashboard}?{query}"


LATENCY: Final = Panel(OPERATIONS, 1)
TOKENS: Final = Panel(OPERATIONS, 2)
COST_PER_HOUR: Final = Panel(OPERATIONS, 3)
ERRORS_BY_CLASS: Final = Panel(OPERATIONS, 4)
ERROR_SHARE: Final = Panel(OPERATIONS, 5)
BURN_RATE: Final = Panel(OPERATIONS, 6)
ACTIVE: Final = Panel(OPERATIONS, 7)
FIRST_CHUNK: Final = Panel(OPERATIONS, 8)
HEADROOM: Final = Panel(OPERATIONS, 9)
REQUESTS: Final = Panel(OPERATIONS, 10)
CLASS_SHARE: Final = Panel(OPERATIONS, 11)
FIRING: Final = Panel(OPERATIONS, 12)
AGENT_CALLS: Final = Panel(OPERATIONS, 13)
TOOL_FAILURES: Final = Panel(OPERATIONS, 14)
UNPRICED: Final = Panel(COST, 1)
BUDGET_USE: Final = Panel(COST, 2)
DAILY_COST: Final = Panel(COST, 3)
COST_BY_TENANT: Final = Panel(COST, 4)
USAGE_UNKNOWN: Final = Panel(COST, 5)
SUCCESS_RATE: Final = Panel(QUALITY, 1)
SCORES: Final = Panel(QUALITY, 2)
DRIFT: Final = Panel(QUALITY, 3)
SILENT_SERVICES: Final = Panel(PIPELINE, 1)
COLLECTOR_UP: Final = Panel(PIPELINE, 2)
COLLECTOR_REFUSED: Final = Panel(PIPELINE, 3)
COLLECTOR_QUEUE: Final = Panel(PIPELINE, 4)
COLLECTOR_FAILED: Final = Panel(PIPELINE, 5)
OVERFLOW: Final = Panel(PIPELINE, 6)
RULES: Final = Panel(PIPELINE, 7)
NOTIFICATIONS: Final = Panel(PIPELINE, 8)
LIBRARY: Final = Panel(PIPELINE, 9)
TARGETS: Final = Panel(PIPELINE, 10)
STORAGE: Final = Panel(PIPELINE, 11)
PRICES: Final = Panel(PIPELINE, 12)
SERIES: Final = Panel(PIPELINE, 13)
