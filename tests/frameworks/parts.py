"""A question that a framework works on, and what must be true of it with any framework."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import llm_otel
from llm_otel.testing import Provider, Reply, SpanRecord, Telemetry

MODEL = "gpt-4o-mini"
WHO = {"tenant_id": "acme", "feature": "support"}
# Operations of requests to a provider.
_REQUESTS = ("chat", "embeddings", "generate_content", "text_completion")


@dataclass
class Question:
    """One question, asked with us.

    Attributes:
        p: Who answers the framework's requests.
        telemetry: What was recorded.
    """

    p: Provider
    telemetry: Telemetry

    @contextmanager
    def asked(self, requests: int) -> Iterator[None]:
        """Ask it in the block, and hold what was recorded against the provider's bill.

        Args:
            requests: How many the framework should send.
        """
        with llm_otel.attribution(**WHO), llm_otel.workflow("question"):
            yield
        assert len(self.p.requests) == requests, [each.path for each in self.p.requests]
        self.check()

    def tracer_provider(self) -> TracerProvider:
        """Where our spans go, for a framework that makes spans of its own."""
        provider: TracerProvider = self.telemetry._memory.tracer_provider
        provider.add_span_processor(llm_otel.AttributionSpanProcessor())
        return provider

    def share_tracer_provider(self) -> None:
        """Set one for the whole process that leads there: frameworks keep the first they get."""
        provider = self.tracer_provider()
        _FORWARD.target = provider._active_span_processor
        # A provider with another resource would be somebody's own.
        provider._resource = _SHARED.resource
        trace.set_tracer_provider(_SHARED)

    @property
    def operations(self) -> list[str]:
        """The operations of the spans, in order, without the root's."""
        operations = [
            each.attributes.get("gen_ai.operation.name") for each in self.telemetry.spans[1:]
        ]
        return [each for each in operations if each is not None]

    def will_call(self, tool: str, **arguments: object) -> None:
        """Have the next request, which is not streamed, answered with a call of this tool."""
        function = {"name": tool, "arguments": json.dumps(arguments)}
        self._will_answer(
            {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            "tool_calls",
        )

    def will_say(self, text: str) -> None:
        """Have the next request, which is not streamed, answered with this text."""
        self._will_answer({"content": text}, "stop")

    def _will_answer(self, message: dict[str, object], reason: str) -> None:
        message = {"role": "assistant", "content": None, **message}
        usage = {"prompt_tokens": 30, "completion_tokens": 7, "total_tokens": 37}
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": usage,
        }
        self.p.enqueue(Reply(body=body, usage=usage))

    def check(self) -> None:
        """Requests, tokens and cost are the provider's, in metrics and in spans; all is one tree,
        and its spans say who asked."""
        telemetry, bills = self.telemetry, self.p.bill
        calls = [each for each in telemetry.spans if _is_call(each)]
        requests = len(self.p.requests)
        assert telemetry.count("gen_ai.request.duration") == requests, telemetry
        assert len(calls) == requests, telemetry.tree()
        for token_type in ("input", "output"):
            billed = sum(getattr(bill, f"{token_type}_tokens") for bill in bills.values())
            counted = telemetry.value("gen_ai.tokens.consumed", token_type=token_type)
            name = f"gen_ai.usage.{token_type}_tokens"
            on_spans = sum(each.attributes.get(name, 0) for each in calls)
            assert (counted, on_spans) == (billed, billed), (bills, telemetry)
        cost = sum(_cost(model, bill) for model, bill in bills.items())
        assert telemetry.value("gen_ai.cost.usd") == pytest.approx(cost), telemetry
        roots = [each.name for each in telemetry.spans if each.parent_id is None]
        assert roots == ["invoke_workflow question"], telemetry.tree()
        assert len({each.trace_id for each in telemetry.spans}) == 1, telemetry.tree()
        unattributed = [
            each.name for each in telemetry.spans if not WHO.items() <= each.attributes.items()
        ]
        assert not unattributed, telemetry

    @property
    def tree(self) -> list[str]:
        """The tree of the question, without its root."""
        return [line.removeprefix("  ") for line in self.telemetry.tree().splitlines()[1:]]

    def span(self, name: str) -> SpanRecord:
        """The one span of this name."""
        spans = [each for each in self.telemetry.spans if each.name == name]
        assert len(spans) == 1, self.telemetry.tree()
        return spans[0]


class _Forward(SpanProcessor):
    """Passes spans on to the question that is asked now."""

    target: SpanProcessor

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.target.on_start(span, parent_context)

    def on_end(self, span: Any) -> None:
        self.target.on_end(span)


_FORWARD = _Forward()
_SHARED = TracerProvider()
_SHARED.add_span_processor(_FORWARD)


def _is_call(span: SpanRecord) -> bool:
    return span.attributes.get("gen_ai.operation.name") in _REQUESTS


def _cost(model: str, bill: object) -> float:
    usage = llm_otel.Usage(
        input_tokens=bill.input_tokens,  # type: ignore[attr-defined]
        cache_read_tokens=bill.cached_tokens,  # type: ignore[attr-defined]
        output_tokens=bill.output_tokens,  # type: ignore[attr-defined]
    )
    cost = llm_otel.cost(usage, model=model)
    assert cost is not None
    return cost.total
