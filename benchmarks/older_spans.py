"""Spans as other instrumentations name them, for the figures of `benchmarks.lake`.

Each function gives one trace of a program as its emitter writes it: the steps of a framework, the
calls below them, and the messages, which all of these capture unless they are told not to.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

# A span: its name, the place of its parent in the trace (None: the first), its attributes.
Step = tuple[str, int | None, dict[str, Any]]

_SENTENCE: Final = (
    "the order has left our house and will be with you on the next working day as long as the "
    "carrier finds somebody at home please keep the number of this parcel for any question"
)
_WORDS: Final = _SENTENCE.split()


def _text(source: random.Random, most: int) -> str:
    """A message: most are plain, one in four has a line break or quotes."""
    text = " ".join(source.choices(_WORDS, k=source.randrange(8, most)))
    return f'{text}\n"{source.choice(_WORDS)}" žluť' if source.random() < 0.25 else text


def _model(source: random.Random) -> str:
    return source.choice(("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "o4-mini"))


def openinference(source: random.Random) -> list[Step]:
    """A chain of LangChain with two calls."""
    session = {"session.id": source.randbytes(8).hex(), "user.id": f"u{source.randrange(1000)}"}
    question, answer = _text(source, 40), _text(source, 30)
    chain = {
        "openinference.span.kind": "CHAIN",
        "input.value": question,
        "output.value": answer,
        **session,
    }
    return [("RunnableSequence", None, chain)] + [
        ("ChatOpenAI", 0, {**_openinference_call(source), **session}) for _ in range(2)
    ]


def _openinference_call(source: random.Random) -> dict[str, Any]:
    model, question, answer = _model(source), _text(source, 40), _text(source, 30)
    prompt, completion = source.randrange(5000), source.randrange(900)
    return {
        "openinference.span.kind": "LLM",
        "llm.model_name": model,
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.invocation_parameters": '{"temperature": 0.7, "max_tokens": 400}',
        "input.value": json.dumps({"messages": [{"role": "user", "content": question}]}),
        "input.mime_type": "application/json",
        "output.value": answer,
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Answer in one paragraph.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": question,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
        "llm.token_count.prompt": prompt,
        "llm.token_count.completion": completion,
        "llm.token_count.total": prompt + completion,
        "llm.token_count.prompt_details.cache_read": 0,
    }


def openllmetry(source: random.Random) -> list[Step]:
    """A workflow of Traceloop's decorators with a task and a call."""
    properties = {
        "traceloop.association.properties.tenant_id": f"tenant-{source.randrange(50)}",
        "traceloop.association.properties.team": source.choice(("blue", "green")),
        "traceloop.workflow.name": "answer",
    }
    question, answer = _text(source, 40), _text(source, 30)
    content = {
        "traceloop.entity.input": json.dumps({"args": [question], "kwargs": {}}),
        "traceloop.entity.output": json.dumps(answer),
    }
    workflow = {"traceloop.span.kind": "workflow", "traceloop.entity.name": "answer", **content}
    task = {"traceloop.span.kind": "task", "traceloop.entity.name": "draft", **content}
    model, prompt, completion = _model(source), source.randrange(5000), source.randrange(900)
    call = {
        "llm.request.type": "chat",
        "gen_ai.system": "OpenAI",
        "gen_ai.request.model": model,
        "gen_ai.request.temperature": 0.7,
        "llm.is_streaming": False,
        "gen_ai.openai.api_base": "https://api.openai.com/v1/",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": question,
        "gen_ai.response.model": f"{model}-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{source.randbytes(12).hex()}",
        "llm.usage.total_tokens": prompt + completion,
        "gen_ai.usage.prompt_tokens": prompt,
        "gen_ai.usage.completion_tokens": completion,
        "gen_ai.usage.cache_read_input_tokens": 0,
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": answer,
    }
    return [
        ("answer.workflow", None, {**properties, **workflow}),
        ("draft.task", 0, {**properties, **task}),
        ("openai.chat", 1, {**properties, **call}),
    ]


def ai_sdk(source: random.Random) -> list[Step]:
    """`streamText` of Vercel's AI SDK with one step."""
    model, question, answer = _model(source), _text(source, 40), _text(source, 30)
    inputs, outputs = source.randrange(5000), source.randrange(900)
    shared = {
        "resource.name": "answer",
        "ai.model.provider": "openai.responses",
        "ai.model.id": model,
        "ai.settings.maxRetries": 2,
        "ai.telemetry.functionId": "answer",
        "ai.telemetry.metadata.userId": f"u{source.randrange(1000)}",
        "ai.request.headers.user-agent": "ai/5.0.60",
        "ai.response.finishReason": "stop",
        "ai.response.text": answer,
        "ai.usage.inputTokens": inputs,
        "ai.usage.outputTokens": outputs,
        "ai.usage.totalTokens": inputs + outputs,
        "ai.usage.cachedInputTokens": 0,
        "ai.response.providerMetadata": json.dumps({"openai": {"serviceTier": "default"}}),
    }
    messages = [{"role": "user", "content": [{"type": "text", "text": question}]}]
    call = {
        **shared,
        "operation.name": "ai.streamText.doStream answer",
        "ai.operationId": "ai.streamText.doStream",
        "ai.prompt.messages": json.dumps(messages),
        "ai.prompt.toolChoice": '{"type":"auto"}',
        "ai.response.msToFirstChunk": source.random() * 900,
        "ai.response.msToFinish": source.random() * 9000,
        "ai.response.id": f"resp_{source.randbytes(12).hex()}",
        "ai.response.model": f"{model}-2024-08-06",
        "ai.response.timestamp": "2026-11-20T15:30:00.000Z",
        "gen_ai.system": "openai.responses",
        "gen_ai.request.model": model,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.id": f"resp_{source.randbytes(12).hex()}",
        "gen_ai.response.model": f"{model}-2024-08-06",
        "gen_ai.usage.input_tokens": inputs,
        "gen_ai.usage.output_tokens": outputs,
    }
    whole = {
        **shared,
        "operation.name": "ai.streamText answer",
        "ai.operationId": "ai.streamText",
        "ai.prompt": json.dumps({"prompt": question}),
    }
    return [("ai.streamText", None, whole), ("ai.streamText.doStream", 0, call)]


def langfuse(source: random.Random) -> list[Step]:
    """A trace of Langfuse's decorators with a generation."""
    model, inputs, outputs = _model(source), source.randrange(5000), source.randrange(900)
    question, answer = _text(source, 40), _text(source, 30)
    shared = {
        "langfuse.user.id": f"u{source.randrange(1000)}",
        "langfuse.observation.input": json.dumps([{"role": "user", "content": question}]),
        "langfuse.observation.output": json.dumps({"role": "assistant", "content": answer}),
    }
    usage = {"input": inputs, "output": outputs, "total": inputs + outputs}
    call = {
        **shared,
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": model,
        "langfuse.observation.model.parameters": '{"temperature": 0.7}',
        "langfuse.observation.usage_details": json.dumps(usage),
    }
    return [
        ("answer", None, {**shared, "langfuse.observation.type": "span"}),
        ("OpenAI-generation", 0, call),
    ]


def pydantic_ai(source: random.Random) -> list[Step]:
    """An agent of Pydantic AI with a call, as Logfire sets both up."""
    model, inputs, outputs = _model(source), source.randrange(5000), source.randrange(900)
    question, answer = _text(source, 40), _text(source, 30)
    messages = [{"role": "user", "parts": [{"type": "text", "content": question}]}]
    answers = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    agent = {
        "model_name": model,
        "agent_name": "support",
        "gen_ai.agent.name": "support",
        "gen_ai.usage.input_tokens": inputs,
        "gen_ai.usage.output_tokens": outputs,
        "pydantic_ai.all_messages": json.dumps(messages + answers),
        "final_result": answer,
        "logfire.msg": "support run",
        "logfire.json_schema": '{"type":"object","properties":{"final_result":{"type":"object"}}}',
    }
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": model,
        "server.address": "api.openai.com",
        "model_request_parameters": '{"function_tools": [], "output_mode": "text"}',
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.output.messages": json.dumps(answers),
        "logfire.msg": f"chat {model}",
        "gen_ai.usage.input_tokens": inputs,
        "gen_ai.usage.output_tokens": outputs,
        "gen_ai.response.model": f"{model}-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{source.randbytes(12).hex()}",
        "gen_ai.response.finish_reasons": ["stop"],
        "operation.cost": source.random() / 100,
    }
    return [("agent run", None, agent), (f"chat {model}", 0, call)]


# The emitter's scope -> a trace of it.
EMITTERS: Final[Mapping[str, Callable[[random.Random], list[Step]]]] = {
    "openinference.instrumentation.langchain": openinference,
    "opentelemetry.instrumentation.openai.v1": openllmetry,
    "ai": ai_sdk,
    "langfuse-sdk": langfuse,
    "pydantic-ai": pydantic_ai,
}
