"""Everything that one span says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import htpy as h

from llm_otel import formats, semconv
from llm_otel.dashboard.components.times import moment
from llm_otel.lake.queries import dialogue
from llm_otel.lake.queries.around import Verdict
from llm_otel.lake.queries.traces import Span

CONTENT: Final = (
    ("Instructions", "system_instructions"),
    ("Input", "input_messages"),
    ("Output", "output_messages"),
)
_COSTS: Final = {
    semconv.COST_INCOMPLETE: "incomplete: a part of the usage has no price, the amount is the rest",
    semconv.COST_UNPRICED: "unknown, not zero: this model has no price",
    semconv.USAGE_UNKNOWN: "unknown, not zero: the provider did not report the usage",
    semconv.USAGE_ESTIMATED: "estimated from the length of the texts",
}
_PRIVACY: Final = "https://llm-otel.readthedocs.io/en/latest/privacy/"
_NO_CONTENT: Final = (
    "Messages were not captured: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT does that."
)
_NO_MESSAGE: Final = (
    "hidden: errors quote prompts, so their messages are kept only where content is captured"
)


def span_detail(span: Span, verdicts: Sequence[Verdict], price: Callable[..., Any]) -> Any:
    """The facts, the tokens by class, what was plain, and all attributes.

    Args:
        span: Of a trace.
        verdicts: Those that are about this span.
        price: As `llm_otel.cost`.
    """
    failed = span.status == "error"
    facts = {
        "Began": moment(span.time, f"{span.time:%d %b %Y %H:%M:%S.%f}"[:-3] + " UTC"),
        "Cost": _COSTS.get(span.cost_status or ""),
        "Operation": span.operation,
        "Model": span.model,
        "Provider": span.provider,
        "Error": span.error_type or ("failed" if failed else None),
        "Message": span.status_message or (_NO_MESSAGE if failed else None),
        "First chunk": formats.seconds(span.first_chunk_s) if span.first_chunk_s else None,
        "Retries": span.retries or None,
        "Service": span.service_name,
        "Span": [h.code[span.span_id], " ", _link(span)],
    }
    items = [h.div[h.dt[name], h.dd[value]] for name, value in facts.items() if value]
    parts: list[Any] = [h.dl(class_="facts")[items], _classes(span, price)]
    if verdicts:
        parts.append(h.ul(class_="verdicts")[[h.li[verdict_line(each)] for each in verdicts]])
    talks = [(title, dialogue.messages(getattr(span, name))) for title, name in CONTENT]
    parts += [talk(title, messages) for title, messages in talks if messages]
    if span.model is not None and not any(messages for _, messages in talks):
        parts.append(
            h.p(class_="muted")[_NO_CONTENT, " ", h.a(href=_PRIVACY, rel="noreferrer")["Privacy"]]
        )
    for title, text in (("Attributes", span.attributes), ("Events", span.events)):
        if text and text not in ("{}", "[]"):
            parts += [h.h3[title], h.pre(tabindex="0")[h.code[_pretty(text)]]]
    return h.fragment[parts]


def _link(span: Span) -> Any:
    return h.a(href=f"#span-{span.span_id}", class_="button small")["Link to this span"]


def _classes(span: Span, price: Callable[..., Any]) -> Any:
    """Tokens by class, and what each cost at list prices where there are any."""
    if span.input_tokens is None and span.output_tokens is None:
        return None
    cached, writes = span.cache_read_tokens or 0, span.cache_write_tokens or 0
    reasoning = span.reasoning_tokens or 0
    fresh = max((span.input_tokens or 0) - cached - writes, 0)
    plain = max((span.output_tokens or 0) - reasoning, 0)
    classes = {
        "fresh": (fresh, {"input_tokens": fresh}),
        "cached": (cached, {"input_tokens": cached, "cache_read_tokens": cached}),
        "written to the cache": (
            writes, {"input_tokens": writes, "cache_write_tokens": writes}
        ),
        "reasoning": (reasoning, {"output_tokens": reasoning}),
        "output": (plain, {"output_tokens": plain}),
    }  # fmt: skip
    rows = [
        h.tr[
            h.th(scope="row")[name],
            h.td(class_="num")[formats.count(tokens)],
            h.td(class_="num")[formats.money(_usd(span, usage, price))],
        ]
        for name, (tokens, usage) in classes.items()
        if tokens
    ]
    if not rows:
        return None
    head = h.tr[
        h.th(scope="col")["Tokens"], h.th(scope="col", class_="num")["Number"],
        h.th(scope="col", class_="num")["At list price"],
    ]  # fmt: skip
    return h.table(class_="classes")[h.thead[head], h.tbody[rows]]


def _usd(span: Span, usage: dict[str, int], price: Callable[..., Any]) -> float | None:
    if span.model is None:
        return None
    try:
        cost = price(usage, model=span.model, provider=span.provider)
    except Exception:  # noqa: BLE001 no price is no failure of a page
        return None
    return None if cost is None else cost.input + cost.output + cost.other


def verdict_line(verdict: Verdict) -> list[Any]:
    """A score or an outcome in words."""
    if verdict.success is not None:
        worth = f", worth {formats.money(verdict.value_usd)}" if verdict.value_usd else ""
        word = "success" if verdict.success else "no success"
        tone = "good" if verdict.success else "bad"
        return [h.strong[verdict.what or "outcome"], ": ",
                h.span(class_=f"tone {tone}")[word], worth]  # fmt: skip
    value = formats.score(verdict.score) if verdict.score is not None else verdict.label or "–"
    label = f" ({verdict.label})" if verdict.label and verdict.score is not None else ""
    note = f": {verdict.explanation}" if verdict.explanation else ""
    return [h.strong[verdict.what or "score"], f" {value}{label}{note}"]


def talk(title: str, messages: Sequence[tuple[str, str]]) -> Any:
    """Messages, one after the other."""
    items = [
        h.li(class_=f"message {role}")[h.span(class_="role")[role], h.p[text]]
        for role, text in messages
    ]
    return h.div[h.h3[title], h.ul(class_="messages")[items]]


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
