"""What was said in a few captured traces: made up from templates, in the conventions' JSON."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pyarrow as pa

from llm_otel.history.arrays import Any1

_SYSTEM: Final = (
    "You are the support assistant of {tenant}. Answer in at most five sentences, cite the order, "
    "and use the tools for anything about money. Never promise a date you cannot keep."
)
# Question, tool call with its result, answer.
_TALKS: Final = (
    ("My parcel {order} should have been here on Monday. Where is it?",
     {"order_id": "{order}"}, {"status": "in transit", "depot": "Leipzig", "days_late": 2},
     "Your order {order} left the Leipzig depot this morning and is two days late. I am sorry. "
     "It should arrive tomorrow; if it has not by then, I will refund the shipping."),
    ("I was charged twice for {order}, can you check?",
     {"order_id": "{order}"}, {"charges": 2, "amount_usd": 42.9},
     "You are right: {order} was charged twice. I have started the refund of $42.90; your bank "
     "needs three to five working days to show it."),
    ("Can I still change the address of {order}?",
     {"order_id": "{order}"}, {"status": "packing", "changeable": True},
     "Yes, {order} is still being packed. Tell me the new address and I will change it at once."),
    ("The lamp in {order} came broken. What now?",
     {"order_id": "{order}"}, {"item": "desk lamp", "stock": 14},
     "I am sorry about the lamp. There are 14 in stock, so I can send a new one today, or refund "
     "order {order}. Which do you prefer?"),
)  # fmt: skip


def with_content(rng: np.random.Generator, spans: pa.Table, traces: int) -> pa.Table:
    """`spans` with messages in the chats of up to `traces` traces of the support agent."""
    is_support_chat = pa.compute.and_(
        pa.compute.equal(spans.column("feature"), "support-chat"),
        pa.compute.equal(spans.column("operation"), "chat"),
    )
    rows = np.flatnonzero(is_support_chat.to_numpy())
    ids = spans.column("trace_id").take(pa.array(rows)).to_pylist()
    picked = list(dict.fromkeys(ids))
    keep = max(1, len(picked) // max(traces, 1))
    talks = {trace: int(rng.integers(0, len(_TALKS))) for trace in picked[::keep]}
    turn: dict[str, int] = {}
    texts_by_row: dict[int, tuple[str, str, str]] = {}
    for row, trace in zip(rows.tolist(), ids):
        if trace in talks:
            turn[trace] = turn.get(trace, -1) + 1
            tenant = spans.column("tenant_id")[row].as_py()
            texts_by_row[row] = _messages(
                talks[trace], turn[trace], f"A-{int(trace[:5], 16)}", tenant
            )
    for number, name in enumerate(("input_messages", "output_messages", "system_instructions")):
        spans = _filled(spans, name, {row: texts[number] for row, texts in texts_by_row.items()})
    return spans


def _filled(spans: pa.Table, name: str, values: dict[int, str]) -> pa.Table:
    column: Any1 = np.full(spans.num_rows, None, dtype=object)
    for row, value in values.items():
        column[row] = value
    place = spans.schema.get_field_index(name)
    return spans.set_column(place, spans.schema.field(name), pa.array(column, pa.string()))


def _text(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _messages(talk: int, turn: int, order: str, tenant: str) -> tuple[str, str, str]:
    """Input, output and instructions of the chat number `turn` of a trace."""
    question, arguments, result, answer = _TALKS[talk]
    arguments = {key: value.format(order=order) for key, value in arguments.items()}
    tools = ("lookup_order", "create_refund")
    asks = [
        {"role": "assistant", "parts": [
            {"type": "tool_call", "id": f"call_{n}", "name": tool, "arguments": arguments}]}
        for n, tool in enumerate(tools)
    ]  # fmt: skip
    answers = [
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": f"call_{n}", "result": each}],
        }
        for n, each in enumerate((result, {"accepted": True}))
    ]
    history = [_text("user", question.format(order=order))]
    for step in range(min(turn, 2)):
        history += [asks[step], answers[step]]
    last = _text("assistant", answer.format(order=order)) if turn >= 2 else asks[turn]
    instructions = [{"type": "text", "content": _SYSTEM.format(tenant=tenant.title())}]
    reason = "stop" if turn >= 2 else "tool_calls"
    return (
        json.dumps(history),
        json.dumps([last | {"finish_reason": reason}]),
        json.dumps(instructions),
    )
