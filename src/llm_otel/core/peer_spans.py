"""Spans that others made for our call's own request: written on instead of having one beside them.

A framework or another instrumentation has a span open when the client is called. It is recognised
by its attributes, whoever made it and whatever its kind. It then is the span of the call. It gets
the attribution at once, and usage, cost and the class of an error when the call ends, as long as it
is open. What its maker wrote stays as it is.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, Span

from llm_otel import semconv
from llm_otel.core import describe
from llm_otel.foreign.names.operations import CALLS, STEPS
from llm_otel.foreign.open_spans import is_same_work, request_of

if TYPE_CHECKING:
    from llm_otel.core.call import Call
    from llm_otel.core.metrics.measurement import Bill
    from llm_otel.core.record import Record
    from llm_otel.core.runtime import Runtime

_logger = logging.getLogger("llm_otel")

_MOST_SCOPES = 64
# `openinference.instrumentation.openai`: others of a family have spans of their own around it.
_PACKAGE_DEPTH = 3
# Frames between Logfire's wrapper of a client's method and us.
_NEAR = 16

_INPUT_NAMES = frozenset(
    {
        semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.completion_tokens", "llm.token_count.prompt", "llm.token_count.completion",
        "langfuse.observation.usage_details",
    }
)  # fmt: skip
_ANSWER = frozenset(
    {
        semconv.RESPONSE_ID, semconv.RESPONSE_MODEL, semconv.RESPONSE_FINISH_REASONS,
        semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    }
)  # fmt: skip
# OpenInference's own names, which its readers look for and nothing else.
_OPENINFERENCE = {
    semconv.USAGE_INPUT_TOKENS: "llm.token_count.prompt",
    semconv.USAGE_OUTPUT_TOKENS: "llm.token_count.completion",
    semconv.USAGE_CACHE_READ: "llm.token_count.prompt_details.cache_read",
    semconv.USAGE_REASONING: "llm.token_count.completion_details.reasoning",
}
_OPENINFERENCE_KIND = "openinference.span.kind"


def current(context: Context, operation: str, maker: str | None) -> Any:
    """The open span of somebody else's that tells of a request like the one at hand, or None.

    Args:
        context: The caller's.
        operation: Of the request.
        maker: The module that makes a span for it; its span may have its attributes at its end.
    """
    span: Any = trace.get_current_span(context)
    if span is INVALID_SPAN or scope_of(span) == semconv.SCOPE:
        return None
    attributes = getattr(span, "attributes", None)
    if attributes is None or not span.is_recording():
        return None
    theirs = request_of(attributes, getattr(span, "name", ""))
    if theirs is not None:
        return span if is_same_work(theirs, operation) else None
    return span if maker and _package(scope_of(span)) == _package(maker) else None


def _package(module: str | None) -> list[str]:
    """What a module's name and the name of its scope have in common."""
    return (module or "").split(".")[:_PACKAGE_DEPTH]


def around(call: Call) -> Any:
    """The span of an instrumentation that wrapped the client's method before we did: it is current
    inside the method, where we are now. None where there is none."""
    span = current(get_current(), call.endpoint.operation, call.maker)
    if span is None or not is_exported_with_ours(span, call.runtime):
        return None
    begun(call, span)
    return span


def is_exported_with_ours(span: Any, runtime: Runtime) -> bool:
    """Whether a span goes where our spans go: an instrumentation may have a provider of its own."""
    provider = runtime.providers[0] or trace.get_tracer_provider()
    resource = getattr(provider, "resource", None)
    return resource is None or getattr(span, "resource", resource) is resource


def scope_of(span: Any) -> str | None:
    """The name of a span's scope; None where it has none, or is no SDK's."""
    return getattr(getattr(span, "instrumentation_scope", None), "name", None)


@lru_cache(maxsize=_MOST_SCOPES)
def say(scope: str | None) -> None:
    """Say once of each maker that its spans are the calls'."""
    _logger.warning(
        "%s makes spans for the same requests as llm-otel: llm-otel writes attribution, usage and "
        "cost on these, makes none beside them, and counts each request once in its metrics.",
        scope or "The application",
    )


# ------------------------------------------------------------------ Logfire
def is_suppressed_by_logfire(context: Context) -> bool:
    """Whether it was Logfire that suppressed other instrumentations here, to be the only one that
    makes a span, and not the application, which wants nothing at all.

    It does so inside its own span of the request, whose scope names the client's SDK. Of a span
    that is not sampled nothing is known but who made it; the local variables of Logfire's wrapper
    tell then whether it made a span.
    """
    span: Any = trace.get_current_span(context)
    if not type(span).__module__.startswith("logfire."):
        return False
    if span.is_recording():
        return (scope_of(span) or "").startswith("logfire.")
    return _wrapper_made_a_span()


def _wrapper_made_a_span() -> bool:
    frame = sys._getframe(1)
    for _ in range(_NEAR):
        if frame.f_back is None:
            return False
        frame = frame.f_back
        if str(frame.f_globals.get("__name__")).startswith("logfire."):
            return frame.f_locals.get("message_template") is not None
    return False


# ------------------------------------------------------------------ what is written
def begun(call: Call, span: Any) -> None:
    """Write the attribution that the call's span does not have, and that its request is counted."""
    if span is None:
        return
    if call.streaming and (scope_of(span) or "").startswith("logfire."):
        # This one ends with the first bytes; another one, of the answer, follows.
        _note_counted(call, 0 if span.parent is None else span.parent.span_id)
    attribution = call.attribution.span_attributes
    present = span.attributes or {}
    lacking = {name: value for name, value in attribution.items() if name not in present}
    span.set_attributes({**lacking, semconv.COUNTED: True})


def enrich(call: Call, record: Record, bill: Bill) -> None:
    """Write what the call tells and its span lacks; sums, where it had more requests than this.

    Args:
        call: One without a span of ours.
        record: What it left.
        bill: What it is billed for.
    """
    span: Any = call.peer_span
    if span is None:
        # It was not current when the client was called: Langfuse's, MLflow's.
        _note_counted(call, trace.get_current_span(call.context).get_span_context().span_id)
        return
    if not span.is_recording():
        return
    present = span.attributes or {}
    own = describe.billed_attributes(record, bill, call.runtime.cache_write)
    earlier = not _OURS.isdisjoint(present)
    attributes = {**_usage(own, present, earlier), **_cost(own, present, earlier)}
    if semconv.OPERATION_NAME in present:  # by the conventions, whose other names it may lack
        answer = describe.answer_attributes(record)
        attributes |= {k: v for k, v in answer.items() if k in _ANSWER and k not in present}
    if record.failure.kind is not None and semconv.ERROR_CLASS not in present:
        attributes[semconv.ERROR_CLASS] = record.failure.kind
    span.set_attributes(attributes)


# What nobody else writes: the span has been the span of an earlier call, too.
_OURS = frozenset({semconv.USAGE_SOURCE, semconv.COST_SOURCE, semconv.COST_STATUS})


def _usage(own: Mapping[str, Any], present: Mapping[str, Any], earlier: bool) -> Mapping[str, Any]:
    """The tokens, unless the span's maker tells them; added to those that we wrote before."""
    counts = {name: own[name] for name in own if name in _COUNTS}
    is_ours = semconv.USAGE_SOURCE in present
    if not is_ours and not _INPUT_NAMES.isdisjoint(present):
        return {}
    if earlier and is_ours:
        for name, count in counts.items():
            counts[name] = count + present.get(name, 0)
    if semconv.USAGE_SOURCE in own:
        source = own[semconv.USAGE_SOURCE]
        if earlier and is_ours and source != present[semconv.USAGE_SOURCE]:
            source = semconv.USAGE_UNKNOWN
        counts[semconv.USAGE_SOURCE] = source
    if _OPENINFERENCE_KIND in present:
        counts |= {_OPENINFERENCE[name]: counts[name] for name in _OPENINFERENCE.keys() & counts}
    return counts


def _cost(own: Mapping[str, Any], present: Mapping[str, Any], earlier: bool) -> Mapping[str, Any]:
    """The cost, unless the span's maker tells it by the name of today; a sum of known costs is
    incomplete where one is not known."""
    cost = {name: own[name] for name in _COST if name in own}
    if not earlier:
        return {} if semconv.COST_AMOUNT in present else cost
    if _OURS_OF_COST.isdisjoint(present):
        return {} if semconv.COST_AMOUNT in present else cost
    amounts = [each[semconv.COST_AMOUNT] for each in (present, own) if semconv.COST_AMOUNT in each]
    if amounts:
        cost[semconv.COST_AMOUNT] = sum(amounts)
    whole = len(amounts) > 1 and semconv.COST_STATUS not in {*present, *own}
    if not whole:
        cost[semconv.COST_STATUS] = semconv.COST_INCOMPLETE if amounts else semconv.COST_UNPRICED
    return cost


_COST = (semconv.COST_AMOUNT, semconv.COST_CURRENCY, semconv.COST_SOURCE, semconv.COST_STATUS)
_OURS_OF_COST = frozenset({semconv.COST_SOURCE, semconv.COST_STATUS})
_COUNTS = describe.COUNTS


# ------------------------------------------------------------------ spans that we cannot write on
# Parent of a span and its kind of work -> calls that are counted, of which it will tell too.
_counted_below: dict[tuple[int, str], int] = {}
_MOST_COUNTED = 1024
# Whether anybody counts the calls that spans tell of.
spans_are_counted = False


def _note_counted(call: Call, parent: int) -> None:
    """Remember that a call is counted of which a span below this one will tell."""
    if not spans_are_counted:
        return
    if len(_counted_below) >= _MOST_COUNTED:
        _counted_below.clear()
    key = (parent, call.endpoint.operation)
    _counted_below[key] = _counted_below.get(key, 0) + 1


def was_counted(parent: int, operation: str) -> bool:
    """Whether the call of a span that has just ended is counted; asked once for each span."""
    for key in [key for key in _counted_below if key[0] == parent]:
        if is_same_work(key[1], operation):
            rest = _counted_below.get(key, 0) - 1
            if rest > 0:
                _counted_below[key] = rest
            else:
                _counted_below.pop(key, None)
            return True
    return False


def protect(span: Span, operation: str) -> None:
    """Undo what made a step's span look like a request: a callback may have taken the span that
    was current for its own.

    Args:
        span: A step's, about to end.
        operation: The step's.
    """
    attributes = getattr(span, "attributes", None)
    if not attributes:
        return
    if attributes.get(semconv.OPERATION_NAME) != operation:
        span.set_attribute(semconv.OPERATION_NAME, operation)
    if operation not in CALLS:
        for name in STEPS.keys() & attributes:
            kind = attributes[name]
            if isinstance(kind, str) and STEPS[name].get(kind.strip('"').lower()) in CALLS:
                span.set_attribute(name, "")
