"""Answers from the program's own cache: a step that says what it saved, and no call.

What a provider's cache saves is not counted here: it is in the price of the call, whose cached
tokens have a rate of their own.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.attribution import current
from llm_otel.base import arguments, guard, read
from llm_otel.core.metrics import savings
from llm_otel.core.steps import Kind, Step, StepRun
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from llm_otel.core.runtime import Runtime
    from llm_otel.pricing import Cost

_CACHED = Kind(semconv.CACHED_ANSWER, semconv.REQUEST_MODEL, metric=None, named=False)
_COUNTS = {
    semconv.SAVED_INPUT_TOKENS: "input_tokens",
    semconv.SAVED_OUTPUT_TOKENS: "output_tokens",
}


class CachedRun(StepRun):
    """An answer from the cache: what `with llm_otel.cached(…) as hit` gives."""

    def _start(self, context: Context, name: str | None, attributes: dict[str, Any]) -> Context:
        self._who = current(context)
        return super()._start(context, name, attributes)

    def set_saved_usage(
        self, input_tokens: int | None = None, output_tokens: int | None = None
    ) -> None:
        """What the call would have used, where the cache tells it with the answer.

        Args:
            input_tokens: All input tokens.
            output_tokens: All output tokens.
        """
        self._attributes.update(_tokens("set_saved_usage()", input_tokens, output_tokens))

    def set_saved(self, usd: float) -> None:
        """What the call would have cost, in USD: it wins over the price list."""
        amount = arguments.number("set_saved()", "usd", usd)
        if amount is not None:
            self._attributes[semconv.SAVED_AMOUNT] = amount

    def _measure(self, runtime: Runtime, seconds: float, failure: BaseException | None) -> None:
        super()._measure(runtime, seconds, failure)
        if failure is not None:
            return  # nobody got an answer
        tokens = {name: self._attributes[name] for name in _COUNTS if name in self._attributes}
        self._span.set_attributes(tokens)
        labels = self._labels()
        amount = self._attributes.get(semconv.SAVED_AMOUNT)
        if amount is not None:
            self._count(runtime, labels, _cost(amount))
        elif not tokens:
            self._count(runtime, labels, None, unknown=semconv.SAVED_UNKNOWN)
        else:
            self._priced(runtime, labels, tokens)

    def _priced(self, runtime: Runtime, labels: dict[str, str], tokens: dict[str, int]) -> None:
        """Count what the tokens would have cost, now or when the price table is there."""
        used = Usage(
            tokens.get(semconv.SAVED_INPUT_TOKENS, 0),
            tokens.get(semconv.SAVED_OUTPUT_TOKENS, 0),
            partial=len(tokens) < len(_COUNTS),
        )
        price = partial(
            runtime.pricing.cost,
            labels[semconv.PROVIDER],
            self._attributes.get(semconv.REQUEST_MODEL),
            used,
        )
        if runtime.pricing.ready:
            self._count(runtime, labels, price())
            return
        instruments, epoch = runtime.instruments, runtime.instruments.epoch
        price = partial(price, when=datetime.now(timezone.utc))

        def count() -> None:
            try:
                if instruments.epoch == epoch:  # no fork lies between
                    savings.saved(instruments.table, labels, price())
            except Exception as exc:  # noqa: BLE001
                guard.handle("deferred price", exc)

        runtime.pricing.defer(count)

    def _count(
        self,
        runtime: Runtime,
        labels: dict[str, str],
        cost: Cost | None,
        unknown: str = semconv.COST_UNPRICED,
    ) -> None:
        if cost is not None:
            self._span.set_attribute(semconv.SAVED_AMOUNT, cost.total)
        if cost is None or cost.incomplete:
            status = unknown if cost is None else semconv.COST_INCOMPLETE
            self._span.set_attribute(semconv.SAVED_STATUS, status)
        savings.saved(runtime.instruments.table, labels, cost)
        runtime.instruments.calls.settle()

    def _labels(self) -> dict[str, str]:
        value = self._attributes.get
        return {
            semconv.MODEL: value(semconv.REQUEST_MODEL, semconv.NONE),
            semconv.PROVIDER: value(semconv.PROVIDER_NAME, semconv.OPENAI_COMPATIBLE),
            semconv.OPERATION: semconv.CACHED_ANSWER,
            semconv.FEATURE: self._who.feature,
            semconv.TENANT_ID: self._who.tenant_id,
        }


def cached(
    model: str | None = None,
    *,
    provider: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    saved_usd: float | None = None,
) -> Step[CachedRun]:
    """An answer from the program's own cache: span `cached_answer {model}`, and what it saved.

    It is no call. What it saved is what the call would have cost: `saved_usd`, or the tokens by
    the price list; where neither is there, or there is no price, the saving is unknown, never 0.

    Args:
        model: The model that would have been asked.
        provider: Who would have answered (`gen_ai.provider.name`).
        input_tokens, output_tokens: What the call would have used, as the cached answer tells.
        saved_usd: What the call would have cost, in USD.
    """
    name = "cached()"
    attributes = {
        semconv.CACHE_HIT: True,
        semconv.PROVIDER_NAME: arguments.text(name, "provider", provider),
        semconv.SAVED_AMOUNT: arguments.number(name, "saved_usd", saved_usd),
        **_tokens(name, input_tokens, output_tokens),
    }
    return Step(_CACHED, CachedRun, arguments.text(name, "model", model), attributes)


def _tokens(call: str, input_tokens: object, output_tokens: object) -> dict[str, int]:
    values = (input_tokens, output_tokens)
    counts = {
        attribute: arguments.count(call, argument, value)
        for (attribute, argument), value in zip(_COUNTS.items(), values)
    }
    return {
        attribute: min(count, read.MOST_TOKENS)
        for attribute, count in counts.items()
        if count is not None
    }


def _cost(usd: float) -> Cost:
    from llm_otel.pricing import Cost

    return Cost(0.0, 0.0, usd, semconv.COST_FROM_PROVIDER)
