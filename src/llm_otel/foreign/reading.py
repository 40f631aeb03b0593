"""What one span tells of a request, whoever made it. The lake does the same by columns.

Works on the attributes of a span in the process as on those of one that came by OTLP. Most spans of
an emitter have the same attributes; what is to be done with these is decided once for each list of
names, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from llm_otel import semconv
from llm_otel.foreign import corrections, json_usage
from llm_otel.foreign.errors import by_status, error_class
from llm_otel.foreign.names import ai_sdk, conventions
from llm_otel.foreign.names.conventions import TOTAL_TOKENS
from llm_otel.foreign.names.operations import CALLS, STEPS
from llm_otel.foreign.names.providers import provider_of
from llm_otel.foreign.operations import MODELS, TOKENS, WORKFLOW, decide
from llm_otel.foreign.quantities import (
    LIMITS,
    MOST_SECONDS,
    amount,
    amount_of,
    count,
    count_of,
    flag,
)
from llm_otel.foreign.quantities import TOKENS as TOKEN_LIMIT
from llm_otel.foreign.renaming import rank_of, target_of
from llm_otel.foreign.usage import UNCHANGED, USAGE, is_partial, whole_usage

# Attribute -> its value, in lower case, on a span that failed.
_FAILURES: Final = {"langfuse.observation.level": "error", "success": "false"}
_CACHE_HIT: Final = "litellm.cache_hit"
_SPAN_TYPE: Final = "logfire.span_type"

# The attributes, by their names of today, that say something here.
_READ: Final = frozenset(
    {
        *(semconv.OPERATION_NAME, semconv.PROVIDER_NAME, *MODELS, *USAGE, TOTAL_TOKENS),
        *(semconv.COST_AMOUNT, semconv.COST_CURRENCY, semconv.REQUEST_STREAM),
        *(semconv.RESPONSE_TIME_TO_FIRST_CHUNK, semconv.RESPONSE_FINISH_REASONS),
        *(semconv.ERROR_TYPE, semconv.ERROR_CLASS, semconv.HTTP_STATUS_CODE, "error"),
        *(semconv.TENANT_ID, semconv.FEATURE, semconv.AGENT_NAME, WORKFLOW, _CACHE_HIT),
        *(semconv.OPENAI_RESPONSE_SERVICE_TIER, semconv.OPENAI_REQUEST_SERVICE_TIER),
        *(semconv.COUNTED, *_FAILURES, *STEPS, *json_usage.TEXTS, *corrections.READ),
        *corrections.NAMES,
    }
)
# Without any of these a span tells of no request.
_TELLING: Final = frozenset({semconv.OPERATION_NAME, *STEPS, *MODELS, *TOKENS, *json_usage.TEXTS})
_NUMBERS: Final = frozenset({*USAGE, semconv.COST_AMOUNT})
_MOST_PLANS: Final = 4096
# Letters of all names of a plan that is kept.
_LONGEST_PLAN: Final = 16_384


class Reading(NamedTuple):
    """What a span tells of the request that it was made for.

    Attributes:
        operation: As of today.
        model: That was asked for; that answered, where only that is known.
        response_model: That answered.
        provider: As of today; None where only a framework is named.
        usage: Tokens in the order of `foreign.usage.USAGE`: cached ones inside the input, reasoning
            inside the output; None for each that is not told.
        is_partial: A part of what was billed is not told.
        cost_usd: What the sender says that it cost, in USD.
        error: Class of the error (`semconv.ERROR_CLASSES`); None where it did not fail.
        streaming: Whether the answer was a stream.
        first_chunk_s: Seconds to its first chunk.
        duration_s: Where the span's own times are not those of the request.
        service_tier: Of the provider.
        tenant_id, feature: The attribution.
    """

    operation: str
    model: str | None
    response_model: str | None
    provider: str | None
    usage: tuple[int | None, ...]
    is_partial: bool
    cost_usd: float | None
    error: str | None
    streaming: bool
    first_chunk_s: float | None
    duration_s: float | None
    service_tier: str | None
    tenant_id: str | None
    feature: str | None

    @property
    def is_used(self) -> bool:
        """Whether any count of tokens in or out is told."""
        return self.usage[0] is not None or self.usage[1] is not None


class _Plan(NamedTuple):
    """What is to be done with the attributes of one list of names.

    Attributes:
        pairs: Names to read, and what each is called today, the best of several for one.
        others: Further names for a count or the cost, where the best has no number.
        texts: Those that hold JSON.
        corrections: What else their emitter counts in a way of its own.
        unchanged: The sender passed on the names of Anthropic's usage.
        today: The cost has today's name, so that 0 means 0.
    """

    pairs: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]
    corrections: tuple[corrections.Correction, ...]
    unchanged: bool
    today: bool


# None: nothing there tells of a request.
_plans: dict[tuple[str, ...], _Plan | None] = {}
_UNKNOWN: Final = object()


def is_silent(names: tuple[str, ...], span_name: str) -> bool:
    """Whether a span with these attributes tells of no request, whatever their values."""
    return _plan_of(names) is None and span_name != conventions.CLAUDE_CODE_SPAN


def reading(
    attributes: Mapping[str, Any],
    name: str,
    *,
    failed: bool = False,
    exception: str | None = None,
    scope: str | None = None,
) -> Reading | None:
    """What a span tells of a request; None for a span of anything else.

    Args:
        attributes: As its maker wrote them.
        name: The span's.
        failed: Whether its status is ERROR.
        exception: Type of the exception that it holds as an event.
        scope: Name of its instrumentation's scope.
    """
    if name == conventions.CLAUDE_CODE_SPAN:
        attributes = _claude_code(attributes)
    plan = _plan_of(tuple(attributes))
    if plan is None:
        return None
    values = {
        today: value
        for older, today in plan.pairs
        if (value := attributes[older]) is not None  # an empty value of OTLP
    }
    duration = corrections.logged_seconds(attributes) if _SPAN_TYPE in values else None
    _rename(values, attributes, plan)
    decide(values, name)
    operation = values.get(semconv.OPERATION_NAME)
    if operation not in CALLS or (scope == semconv.SCOPE and name.startswith("connect")):
        return None
    return _read(values, operation, plan, duration, failed, exception)


def _plan_of(names: tuple[str, ...]) -> _Plan | None:
    plan: Any = _plans.get(names, _UNKNOWN)
    if plan is _UNKNOWN:
        plan = _plan(names)
        if sum(map(len, names)) <= _LONGEST_PLAN:
            if len(_plans) >= _MOST_PLANS:
                _plans.clear()
            _plans[names] = plan
    plan_of_names: _Plan | None = plan
    return plan_of_names


def _plan(names: tuple[str, ...]) -> _Plan | None:
    best: dict[str, str] = {}
    for name in names:
        target = target_of(name)
        if target not in _READ:
            continue
        held = best.get(target)
        if held is None or rank_of(name) < rank_of(held):
            best[target] = name
    if _TELLING.isdisjoint(best) and _TELLING.isdisjoint(names):
        return None
    best_names = set(best.values())
    return _Plan(
        tuple((name, target) for target, name in best.items()),
        tuple(
            (name, target)
            for name in names
            if name not in best_names and (target := target_of(name)) in _NUMBERS
        ),
        tuple(name for name in names if name in json_usage.TEXTS),
        corrections.of_names(tuple(name for name in names if corrections.tells(name))),
        not UNCHANGED.isdisjoint(names),
        best.get(semconv.COST_AMOUNT) == semconv.COST_AMOUNT,
    )


def _claude_code(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Claude Code's own names; it counts cached tokens beside the input, as its provider does."""
    own: dict[str, Any] = {}
    for name, value in attributes.items():
        own.setdefault(conventions.CLAUDE_CODE.get(name, name), value)
    cached = (semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE)
    counts = [count_of(own.get(name)) for name in (semconv.USAGE_INPUT_TOKENS, *cached)]
    if counts[0] is not None:
        own[semconv.USAGE_INPUT_TOKENS] = sum(each or 0 for each in counts)
    own.setdefault(semconv.PROVIDER_NAME, "anthropic")
    return own


def _rename(values: dict[str, Any], attributes: Mapping[str, Any], plan: _Plan) -> None:
    """Bring values to what the names of today mean."""
    for older, today in plan.others:
        is_number = amount_of if today == semconv.COST_AMOUNT else count_of
        if not is_number(values.get(today)) and is_number(attributes[older]) is not None:
            values[today] = attributes[older]
    for older, today in plan.pairs:
        if older in ai_sdk.MILLISECONDS and today in values:
            milliseconds = amount(values[today], MOST_SECONDS * 1000)
            values[today] = None if milliseconds is None else milliseconds / 1000
    texts = [name for name in plan.texts if name in values]
    is_answer = bool(texts) and json_usage.unpack(values, texts)
    if plan.corrections:
        corrections.put_right(values, plan.corrections, answered=is_answer)
    for name in MODELS:
        if values.get(name) == semconv.NONE:
            del values[name]


def _read(
    values: dict[str, Any],
    operation: str,
    plan: _Plan,
    duration: float | None,
    failed: bool,
    exception: str | None,
) -> Reading:
    provider = values.get(semconv.PROVIDER_NAME)
    provider = provider_of(provider) if isinstance(provider, str) else None
    usage = whole_usage(
        [count(values.get(name), TOKEN_LIMIT.most) for name in USAGE],
        count(values.get(TOTAL_TOKENS), TOKEN_LIMIT.most),
        operation,
        provider,
        unchanged=plan.unchanged,
    )
    response_model = _text(values.get(semconv.RESPONSE_MODEL))
    first_chunk = values.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
    stream = values.get(semconv.REQUEST_STREAM)
    return Reading(
        operation,
        _text(values.get(semconv.REQUEST_MODEL)) or response_model,
        response_model,
        provider,
        tuple(usage),
        is_partial(usage[0], usage[1], operation),
        _cost(values, plan.today and not plan.texts),
        _error(values, failed, exception),
        stream is not None and flag(stream),
        None if first_chunk is None else amount(first_chunk, MOST_SECONDS),
        duration,
        _text(
            values.get(semconv.OPENAI_RESPONSE_SERVICE_TIER)
            or values.get(semconv.OPENAI_REQUEST_SERVICE_TIER)
        ),
        _text(values.get(semconv.TENANT_ID)),
        _text(values.get(semconv.FEATURE)),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _cost(values: Mapping[str, Any], today: bool) -> float | None:
    """A cost that the sender tells, where it can be one.

    0 for tokens that were used is what several write where they know no price; an answer from
    LiteLLM's cache is free.
    """
    cost = amount_of(values.get(semconv.COST_AMOUNT))
    currency = values.get(semconv.COST_CURRENCY, "USD")
    if cost is None or str(currency).upper() != "USD":
        return None
    used = any(values.get(name) for name in TOKENS)
    if cost == 0 and not today and used and str(values.get(_CACHE_HIT)).lower() != "true":
        return None
    return cost


def _error(values: Mapping[str, Any], failed: bool, exception: str | None) -> str | None:
    own_class = values.get(semconv.ERROR_CLASS)
    if own_class in semconv.ERROR_CLASSES:
        return str(own_class)
    kind = values.get(semconv.ERROR_TYPE)
    if kind is None:
        for name, word in _FAILURES.items():
            if str(values.get(name)).lower() == word:
                kind = values.get("error") or "_OTHER"
    if not failed and kind is None:
        return None
    category = semconv.OTHER if kind is None else error_class(str(kind))
    limit = LIMITS[semconv.HTTP_STATUS_CODE]
    status = count(values.get(semconv.HTTP_STATUS_CODE), limit.most)
    if category == semconv.OTHER and status is not None and status >= _FIRST_ERROR:
        category = by_status(status)
    if category == semconv.OTHER and kind is None and exception:
        category = error_class(exception)
    return category


_FIRST_ERROR: Final = 400
