"""`Pricing`: what a call cost, fast enough for every call."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

from llm_otel import semconv
from llm_otel.pricing.loader import Loader
from llm_otel.pricing.overrides import Overrides, find
from llm_otel.pricing.rates import Cost, Plan, Price
from llm_otel.pricing.table import Table, normal_tier
from llm_otel.usage import Usage

logger = logging.getLogger("llm_otel")

_MAX_PLANS = 1024
_MAX_NAMED = 1000
_MAX_MODEL_LENGTH = 256

_Key = tuple[str, "str | None", "str | None", "str | None"]


class Pricing:
    """Usage to cost, by the settings' `prices:` first and genai-prices second.

    The table takes about a second of one core to load and a look-up in it 0.2 ms, so it is loaded
    in the background, and what it says of a (provider, model, tier, host) is kept until a price
    changes. Thread-safe. A forked child keeps a loaded table; its own updates begin with `start()`.

    Args:
        overrides: The parsed `prices:`.
        update: Fetch newer prices over the network, now and every hour.
        update_url: Where from; None for genai-prices' repository.
        update_interval_s: Seconds between two fetches.
    """

    def __init__(
        self,
        overrides: Overrides | None = None,
        *,
        update: bool = False,
        update_url: str | None = None,
        update_interval_s: float = 3600.0,
    ) -> None:
        self._overrides = overrides or ()
        self._table: Table | None = None
        self._plans: dict[_Key, Plan] = {}
        self._named: set[tuple[str, str | None]] = set()
        self._loader = Loader(
            self._publish, update=update, url=update_url, interval_s=update_interval_s
        )

    @property
    def ready(self) -> bool:
        """The table is loaded, or could not be."""
        return self._loader.ready

    @property
    def version(self) -> str | None:
        """Version of the table in use; None while there is none."""
        table = self._table
        return None if table is None else table.version

    def age_seconds(self) -> float | None:
        """Seconds since the table in use was last known to be right; None when unknown."""
        table = self._table
        return None if table is None or table.dated is None else time.time() - table.dated

    def start(self) -> None:
        """Begin to load the table in the background; never blocks, may be called again."""
        self._loader.start()

    def stop(self) -> None:
        """End the updates; the prices stay."""
        self._loader.stop()

    def wait(self, timeout: float) -> bool:
        """Block until the table is there and what was deferred has run, or for `timeout` s."""
        return self._loader.wait(timeout)

    def defer(self, fn: Callable[[], None]) -> None:
        """Run `fn` once, when the table is there: at once if it is."""
        self._loader.defer(fn)

    def cost(
        self,
        provider: str,
        model: str | None,
        usage: Usage,
        *,
        service_tier: str | None = None,
        host: str | None = None,
        when: datetime | None = None,
        duration_s: float | None = None,
        requests: int = 1,
    ) -> Cost | None:
        """What a call cost; None when no price of it is known, or none yet.

        Args:
            provider: `gen_ai.provider.name`.
            model: The model that answered.
            usage: What was billed.
            service_tier: The tier that served the call; "batch" for a batch.
            host: Host that was called, with or without port; prices what no provider names.
            when: Time of the request, UTC where it has no zone; None for now.
            duration_s: Seconds the call took, for machines paid by the hour.
            requests: Over how many requests `usage` is summed (a batch): long-context rates are
                judged by their mean, fees count for each.
        """
        plan = self._plan((provider, model, service_tier, host), when)
        cost = plan.cost(usage, requests, duration_s)
        if cost is not None and usage.extra:
            cost = self._with_extra(cost, provider, usage, host, when)
        # Where the usage itself is not whole, no price would help.
        incomplete = cost is not None and cost.incomplete and not usage.partial
        if (cost is None or incomplete) and self._loader.ready:
            self._name(provider, model, service_tier, partly=cost is not None)
        return cost

    def time_cost(
        self, provider: str, model: str | None, host: str | None, duration_s: float
    ) -> Cost | None:
        """What a call of unknown usage cost on a machine paid by the hour; None on any other."""
        return self._plan((provider, model, None, host), None).time_cost(duration_s)

    def _plan(self, key: _Key, when: datetime | None) -> Plan:
        at = time.time() if when is None else _timestamp(when)
        plan = self._plans.get(key)
        if plan is None or not plan.since <= at < plan.until:
            plan = self._resolve(key, at)
        return plan

    def _with_extra(
        self, cost: Cost, provider: str, usage: Usage, host: str | None, when: datetime | None
    ) -> Cost:
        """Add what other models used; at standard rates, as hosted tools have no service tier."""
        other, incomplete = cost.other, cost.incomplete
        for model, used in usage.extra:
            part = self.cost(provider, model, used, host=host, when=when)
            other += part.total if part is not None else 0.0
            incomplete = incomplete or part is None or part.incomplete
        return replace(cost, other=other, incomplete=incomplete)

    def _publish(self, table: Table) -> None:
        # Plans of the old table go with their dict, and so do those still being made from it.
        self._table = table
        self._plans = {}

    def _resolve(self, key: _Key, at: float) -> Plan:
        plans, table, final = self._plans, self._table, self._loader.ready
        provider, model, service_tier, host = key
        tier = normal_tier(service_tier)
        if not isinstance(model, str) or len(model) > _MAX_MODEL_LENGTH:
            model = None

        def listed(biller: str, tier: str | None) -> Price | None:
            if table is None or not model:
                return None
            return table.price(biller, model, tier, host, at)

        entry, since, until = find(self._overrides, provider, model, host, at)
        window = (since, until)
        if entry is None:
            plan = Plan(listed(provider, tier), semconv.COST_FROM_TABLE, window)
        else:
            plan = Plan(
                entry.price(provider, tier, listed),
                semconv.COST_FROM_OVERRIDE,
                window,
                per_second=entry.per_second,
            )
        if final or (entry is not None and not entry.needs_table):
            if len(plans) >= _MAX_PLANS:
                plans.clear()
            plans[key] = plan
        return plan

    def _name(self, provider: str, model: str | None, tier: str | None, *, partly: bool) -> None:
        """Say once in the log which model's cost is unknown, or known in part."""
        key = (provider, model)
        if key in self._named or len(self._named) >= _MAX_NAMED:
            return
        self._named.add(key)
        logger.warning(
            "llm-otel has no price for %s of model %r of provider %r (service tier %r): its cost "
            "is unknown, not 0; give one in the setting `prices`.",
            "a part" if partly else "the usage",
            str(model)[:_MAX_MODEL_LENGTH] if model else None,
            provider,
            str(tier)[:_MAX_MODEL_LENGTH] if tier else None,
        )


def _timestamp(when: datetime) -> float:
    return (when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)).timestamp()
