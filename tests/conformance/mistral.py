"""What Mistral answers, whole and streamed, for the tests of its SDK."""

from __future__ import annotations

import json
from typing import Any

from clients.mistralai import MODEL, QUESTION

from llm_otel.testing import Reply, Telemetry


def completion(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Yes.", "tool_calls": None},
        **more,
    }
    return {
        "id": "9c4b",
        "object": "chat.completion",
        "created": 1757760403,
        "model": MODEL,
        "choices": [choice],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, **usage},
    }


def stream(body: dict[str, Any]) -> Reply:
    """The stream that amounts to a completion: usage comes with the finish reason."""
    (choice,) = body["choices"]
    message = choice["message"]
    common = {key: body[key] for key in ("id", "created", "model")}
    common["object"] = "chat.completion.chunk"
    content = message["content"]
    pieces = [[block] for block in content] if isinstance(content, list) else [content]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in pieces]
    if message.get("tool_calls"):
        deltas.append({"tool_calls": message["tool_calls"]})
    chunks = [{**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
              for delta in deltas]  # fmt: skip
    end = {"index": 0, "delta": {"content": ""}, "finish_reason": choice["finish_reason"]}
    chunks.append({**common, "choices": [end], "usage": body["usage"]})
    return events(*chunks, done=True)


def events(*bodies: dict[str, Any], done: bool = False) -> Reply:
    lines = []
    for body in bodies:
        name = f"event: {body['type']}\n" if "type" in body and "object" not in body else ""
        lines.append(f"{name}data: {json.dumps(body)}\n\n")
    tail = "data: [DONE]\n\n" if done else ""
    return Reply(headers={"content-type": "text/event-stream"}, body="".join(lines) + tail)


def ask(client: Any, p: Any, body: dict[str, Any], how: str, **more: Any) -> Any:
    """A question that is answered by this body, whole or streamed."""
    if how == "whole":
        p.enqueue(Reply(body=body))
        return client.chat.complete(**QUESTION, **more)
    p.enqueue(stream(body))
    with client.chat.stream(**QUESTION, **more) as chunks:
        return list(chunks)


def counted(telemetry: Telemetry) -> dict[str, Any]:
    value = telemetry.value
    return {
        "input": value("gen_ai.tokens.consumed", token_type="input"),
        "output": value("gen_ai.tokens.consumed", token_type="output"),
        "cached": value("gen_ai.tokens.cached", cache="read"),
        "cost": round(value("gen_ai.cost.usd") * 1e6, 3),
        "status": telemetry.span.attributes.get("llm_otel.cost.status"),
    }


# ------------------------------------------------------------------ conversations
TALK_USAGE = {
    "prompt_tokens": 95, "completion_tokens": 209, "total_tokens": 399, "connector_tokens": 95,
    "connectors": {"code_interpreter": 1},
}  # fmt: skip
AGENT = {"agent_id": "ag_2", "model": "mistral-medium-2505"}


def conversation(*outputs: dict[str, Any], **usage: Any) -> dict[str, Any]:
    return {
        "object": "conversation.response",
        "conversation_id": "conv_1",
        "outputs": [{"object": "entry", **AGENT, **output} for output in outputs],
        "usage": {**TALK_USAGE, **usage},
    }


SAID = {"type": "message.output", "id": "msg_1", "role": "assistant", "content": "Thirteen."}
RAN = {"type": "tool.execution", "id": "tool_1", "name": "code_interpreter",
       "arguments": '{"code": "5 + 8"}', "info": {"code_output": "13"}}  # fmt: skip
CALLED = {"type": "function.call", "id": "fc_1", "tool_call_id": "c1", "name": "add",
          "arguments": '{"a": 5}'}  # fmt: skip


def conversation_events(*outputs: dict[str, Any]) -> Reply:
    started = {"type": "conversation.response.started", "conversation_id": "conv_1"}
    bodies: list[dict[str, Any]] = [started]
    for index, output in enumerate(outputs):
        common = {**AGENT, "output_index": index, "id": output["id"]}
        kind = output["type"]
        if kind == "message.output":
            for piece in ("Thir", "teen."):
                bodies.append({**common, "type": f"{kind}.delta", "role": "assistant",
                               "content": piece})  # fmt: skip
        elif kind == "tool.execution":
            named = {**common, "name": output["name"]}
            bodies.append({**named, "type": f"{kind}.started", "arguments": ""})
            bodies.append({**named, "type": f"{kind}.delta", "arguments": output["arguments"]})
            bodies.append({**named, "type": f"{kind}.done", "info": output["info"]})
        else:
            half = len(output["arguments"]) // 2
            for part in (output["arguments"][:half], output["arguments"][half:]):
                bodies.append({**common, "type": f"{kind}.delta", "name": output["name"],
                               "tool_call_id": "c1", "arguments": part})  # fmt: skip
    return events(*bodies, {"type": "conversation.response.done", "usage": TALK_USAGE})


def talk(client: Any, p: Any, how: str, *outputs: dict[str, Any], **more: Any) -> None:
    if how == "whole":
        p.enqueue(Reply(body=conversation(*outputs)))
        client.beta.conversations.start(inputs="What is 5 + 8?", agent_id="ag_2", **more)
        return
    p.enqueue(conversation_events(*outputs))
    with client.beta.conversations.start_stream(
        inputs="What is 5 + 8?", agent_id="ag_2", **more
    ) as chunks:
        list(chunks)
