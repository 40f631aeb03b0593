"""One line on standard error for each GenAI span, for people who watch their program run."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.escaping import visible
from llm_otel.settings import environment

_logger = logging.getLogger("llm_otel")
_attached: WeakSet[Any] = WeakSet()

_DIM, _RED, _PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[0m"
_UNKNOWN = "-"
_DIGITS = 6
_WHO = (semconv.TENANT_ID, semconv.FEATURE)
_NAMES = (
    semconv.REQUEST_MODEL,
    semconv.TOOL_NAME,
    semconv.AGENT_NAME,
    semconv.WORKFLOW_NAME,
    semconv.DATA_SOURCE_ID,
)


class ConsoleSpanProcessor(SpanProcessor):
    """Prints GenAI spans when they end; never their content."""

    def on_end(self, span: ReadableSpan) -> None:
        attributes = span.attributes or {}
        if semconv.OPERATION_NAME not in attributes:
            return
        stream = sys.stderr
        if stream is None or stream.closed:  # a daemon or a windowed program has none
            return
        try:
            colour = stream.isatty() and not environment("NO_COLOR")
            stream.write(line(span, colour=colour) + "\n")
        except OSError:
            pass  # nobody reads it any more
        except Exception as exc:  # noqa: BLE001
            guard.handle("console", exc)


def attach(tracer_provider: Any) -> None:
    """Have the spans of an SDK's provider printed; a second time does nothing."""
    if tracer_provider in _attached:
        return
    if not hasattr(tracer_provider, "add_span_processor"):
        _logger.warning("llm-otel: console=True prints nothing, as no OpenTelemetry SDK is set up.")
        return
    tracer_provider.add_span_processor(ConsoleSpanProcessor())
    _attached.add(tracer_provider)


def line(span: ReadableSpan, *, colour: bool) -> str:
    """What is printed for a span.

    Time of its end, operation, model or name, tokens, seconds, USD, error class, tenant and
    feature; what is not known is `-`, `>=` is before an incomplete cost, `~` before an estimate.
    """
    attributes = span.attributes or {}
    start, end = span.start_time or 0, span.end_time or 0
    error = str(attributes.get(semconv.ERROR_CLASS) or attributes.get(semconv.ERROR_TYPE) or "")
    clock = time.strftime("%H:%M:%S", time.localtime(end / 1e9))
    who = "  ".join(f"{key}={_shown(attributes[key])}" for key in _WHO if key in attributes)
    parts = (
        _painted(clock, _DIM, colour),
        f"{_shown(attributes[semconv.OPERATION_NAME]):<16}",
        f"{_first(attributes):<28}",
        f"{_tokens(attributes):<32}",
        f"{(end - start) / 1e9:>8.2f} s",
        f"{_cost(attributes):>12}",
        _painted(_shown(error), _RED, colour) if error else "",
        _painted(who, _DIM, colour) if who else "",
    )
    return "  ".join(part for part in parts if part)


def _first(attributes: Mapping[str, Any]) -> str:
    return _shown(next((attributes[name] for name in _NAMES if name in attributes), _UNKNOWN))


def _shown(value: object) -> str:
    """A name, which may come from anywhere, as one piece of one line."""
    return visible(str(value))


def _tokens(attributes: Mapping[str, Any]) -> str:
    tokens = attributes.get(semconv.USAGE_INPUT_TOKENS)
    if tokens is None:
        return _UNKNOWN
    cached = attributes.get(semconv.USAGE_CACHE_READ)
    output = attributes.get(semconv.USAGE_OUTPUT_TOKENS, 0)
    return f"{tokens:,}" + (f" ({cached:,} cached)" if cached else "") + f" > {output:,} tokens"


def _cost(attributes: Mapping[str, Any]) -> str:
    amount = attributes.get(semconv.COST_AMOUNT)
    if amount is None:
        return _UNKNOWN
    # In ASCII: a terminal may know no other signs.
    incomplete = attributes.get(semconv.COST_STATUS) == semconv.COST_INCOMPLETE
    estimated = attributes.get(semconv.USAGE_SOURCE) == semconv.USAGE_ESTIMATED
    return f"{'>=' if incomplete else '~' if estimated else ''}{_usd(amount)}"


def _usd(amount: Any) -> str:
    """Micro-dollars, and as many more digits as two that count need; what is free is `$0`."""
    size = abs(amount)
    if size == 0 or not math.isfinite(size):
        return f"${amount:.0f}"
    return f"${amount:.{max(_DIGITS, 1 - math.floor(math.log10(size)))}f}"


def _painted(text: str, code: str, colour: bool) -> str:
    return f"{code}{text}{_PLAIN}" if colour else text
