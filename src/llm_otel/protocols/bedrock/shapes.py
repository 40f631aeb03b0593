"""Bodies of the model families, in the words of OpenAI's, which is how they are read.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from llm_otel.base import read
from llm_otel.providers.dialects import Path

Body: TypeAlias = Mapping[str, object]
# Key of a request -> OpenAI's, nested as the family's.
Names: TypeAlias = Mapping[str, "str | Names"]

# Why a choice ended, in lower case -> OpenAI's word; others pass as they are.
_FINISH_REASONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("finish", "finished", "complete", "endoftext", "end_turn", "stop_sequence", "stop",
         "stop_criteria_met", "completed"),
        "stop",
    ),
    **dict.fromkeys(
        ("max_tokens", "length", "error_limit", "rag_query_when_rag_disabled"), "length"
    ),
    **dict.fromkeys(("content_filtered", "content_filter", "error_toxic"), "content_filter"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use"), "tool_calls"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shape:
    """Where a family's bodies hold what OpenAI's hold.

    Attributes:
        request: Names of a request's parameters.
        choices: Key of the list of choices; a body without it is the one choice.
        text, reason: Ways to the text of a choice, and to why it ended.
        tokens: Key of a choice's own count of tokens.
        usage: Key of a body -> key of OpenAI's usage.
    """

    request: Names = field(default_factory=dict)
    choices: str = "choices"
    text: Path = ("text",)
    reason: Path = ("finish_reason",)
    tokens: str = ""
    usage: Mapping[str, str] = field(default_factory=dict)

    def as_request(self, body: Body) -> Body:
        """A request in OpenAI's words."""
        return dict(_renamed(body, self.request))

    def as_answer(self, body: Body) -> Body:
        """A whole answer, or a chunk, in OpenAI's words."""
        listed_choices = read.items(body, self.choices)
        ways = (self.text, self.reason)
        is_choice = any(read.path(body, way) is not None for way in ways)
        entries = listed_choices or ([body] if is_choice else [])
        counts = {name: body[key] for key, name in self.usage.items() if body.get(key)}
        if self.tokens and listed_choices:
            counts["completion_tokens"] = sum(
                read.count(read.get(each, self.tokens)) for each in listed_choices
            )
        choices = [self._choice(each, index) for index, each in enumerate(entries)]
        result = {**body, "id": body.get("id") or body.get("response_id"), "choices": choices}
        return {**result, "usage": counts} if counts else result

    def _choice(self, choice: object, index: int) -> Body:
        reason = read.path(choice, self.reason)
        message = _tool_calls(choice)
        own_index = read.get(choice, "index")
        return {
            "index": index if own_index is None else own_index,
            "text": read.path(choice, self.text),
            **({"message": message} if message else {}),
            "finish_reason": finish_reason(reason),
        }


class Chat(Shape):
    """OpenAI's own shape; some families name the reason otherwise, or stream whole messages."""

    def as_request(self, body: Body) -> Body:
        """A request in OpenAI's words."""
        return body

    def as_answer(self, body: Body) -> Body:
        """A whole answer, or a chunk, in OpenAI's words."""
        choices = read.items(body, "choices")
        if all("stop_reason" not in read.fields(each) for each in choices):
            return body
        return {**body, "choices": [self._as_openai(read.fields(each)) for each in choices]}

    def _as_openai(self, choice: Body) -> Body:
        message = choice.get("message")
        return {
            **choice,
            **({"delta": message} if message is not None else {}),
            "finish_reason": choice.get("finish_reason")
            or finish_reason(choice.get("stop_reason")),
        }


class CohereChat(Shape):
    """A message and the history before it."""

    def as_request(self, body: Body) -> Body:
        """A request in OpenAI's words."""
        messages = [
            {"role": _ROLES.get(read.text(each, "role") or "", "user"),
             "content": read.text(each, "message") or ""}
            for each in read.items(body, "chat_history")
        ]  # fmt: skip
        preamble, question = read.text(body, "preamble"), read.text(body, "message")
        system = [{"role": "system", "content": preamble}] if preamble else []
        prompt = [{"role": "user", "content": question}] if question else []
        return {**super().as_request(body), "messages": [*system, *messages, *prompt]}


_ROLES = {"CHATBOT": "assistant", "SYSTEM": "system", "USER": "user"}


def finish_reason(value: object) -> object:
    """OpenAI's word for why a choice ended; None for one that goes on."""
    reason = read.string(value)
    return reason and _FINISH_REASONS.get(reason.lower(), reason)


def _tool_calls(choice: object) -> Body:
    """The message of a choice that calls tools as Cohere writes it."""
    calls = [
        {"function": {"name": read.get(each, "name"), "arguments": read.get(each, "parameters")}}
        for each in read.items(choice, "tool_calls")
    ]
    return {"role": "assistant", "tool_calls": calls} if calls else {}


def _renamed(body: Body, names: Names) -> list[tuple[str, object]]:
    result: list[tuple[str, object]] = []
    for key, value in body.items():
        name = names.get(key, key)
        if isinstance(name, str):
            result.append((name, value))
        else:
            result += _renamed(read.fields(value), name)
    return result


TITAN = Shape(
    request={
        "inputText": "prompt",
        "textGenerationConfig": {
            "maxTokenCount": "max_tokens", "topP": "top_p", "stopSequences": "stop",
        },
    },
    choices="results",
    text=("outputText",),
    reason=("completionReason",),
    tokens="tokenCount",
    usage={
        "inputTextTokenCount": "prompt_tokens",
        "totalOutputTextTokenCount": "completion_tokens",
    },
)  # fmt: skip
LLAMA = Shape(
    request={"max_gen_len": "max_tokens"},
    text=("generation",),
    reason=("stop_reason",),
    usage={"prompt_token_count": "prompt_tokens", "generation_token_count": "completion_tokens"},
)
MISTRAL = Shape(choices="outputs", reason=("stop_reason",))
DEEPSEEK = Shape(reason=("stop_reason",))
_COHERE: Names = {"p": "top_p", "k": "top_k", "stop_sequences": "stop", "num_generations": "n"}
COHERE = Shape(request=_COHERE, choices="generations")
COHERE_CHAT = CohereChat(request=_COHERE, choices="generations")
JURASSIC = Shape(
    request={
        "maxTokens": "max_tokens", "topP": "top_p", "stopSequences": "stop", "numResults": "n",
    },
    choices="completions",
    text=("data", "text"),
    reason=("finishReason", "reason"),
)  # fmt: skip
PEGASUS = Shape(
    request={"inputPrompt": "prompt", "maxOutputTokens": "max_tokens"},
    text=("message",),
    reason=("finishReason",),
)
CHAT = Chat()
