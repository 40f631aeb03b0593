"""What the model says: deterministic text, tool calls and JSON, with their token counts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from .examples import example
from .messages import Json, ProtocolError, ScriptError
from .state import State

# The names under which OpenAI answers for an alias.
SNAPSHOTS = {
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
}
IMAGE_TOKENS = 85
AUDIO_TOKENS = 50
_REASONING_MODEL = re.compile(r"(.*/)?(o\d|gpt-5|magistral)")
_REASONING_STEP = 64
_EFFORTS = {"none": 0, "minimal": 0, "low": 1, "medium": 2, "high": 4, "xhigh": 8}
_VOCABULARY = (
    "the a model answer reads tokens from every prompt and counts them with care so that each "
    "number in this reply can be checked by hand while latency cost errors spans metrics traces "
    "queues caches users tenants features stay easy to follow when clear short plain words meet "
    "steady seeds quiet servers small tests bright charts kind teams good habits"
)
_WORDS = tuple(_VOCABULARY.split())


def count_tokens(text: str) -> int:
    """One token for every four characters, rounded up."""
    return (len(text) + 3) // 4


@dataclass
class Tool:
    """A function that the request offers, with the JSON schema of its arguments."""

    name: str
    parameters: Json


@dataclass
class Prompt:
    """What a request asks, whatever endpoint it came to.

    Attributes:
        text: All input in one string; the prompt cache compares it.
        tokens: Input tokens, images and audio included.
        question: The text of the last message when it is the user's, else empty.
        tools: Functions that may be called.
        must_call: A call is required: True, or the name of the function.
        schema: JSON schema that the answer must have; an empty one for any JSON object.
        max_tokens: Upper bound of the answer's tokens, reasoning included.
        effort: Of reasoning, as the request says it.
        thinks: Reasoning is asked for, whatever the model is called.
    """

    model: str
    text: str
    tokens: int
    question: str = ""
    tools: list[Tool] = field(default_factory=list)
    must_call: bool | str = False
    schema: Json | None = None
    max_tokens: int | None = None
    effort: str = "medium"
    thinks: bool = False


@dataclass
class Answer:
    """One answer to a prompt; `tokens` include the reasoning."""

    text: str
    calls: list[tuple[str, str]]
    tokens: int
    reasoning_tokens: int
    truncated: bool = False

    def pieces(self) -> list[str]:
        """The text as a stream brings it: word by word, with the spaces."""
        return split(self.text)


def split(text: str) -> list[str]:
    """Words with the space before them; together they are the text again."""
    return re.findall(r"\s*\S+|\s+", text)


def snapshot(model: str) -> str:
    """The dated name that answers for `model`."""
    return SNAPSHOTS.get(model, model)


def compose(state: State, prompt: Prompt, body: Json, variant: int = 0) -> Answer:
    """The answer to `prompt`; `variant` numbers the choices of one request."""
    digest = state.digest("answer", variant, prompt.model, prompt.text)
    called = _tools_to_call(prompt)
    calls = [(tool.name, json.dumps(example(tool.parameters))) for tool in called]
    text = "" if calls else _text(state, prompt, body, digest)
    reasoning = _reasoning(prompt, digest)
    tokens = count_tokens(text) + sum(count_tokens(name + args) + 8 for name, args in calls)
    limit = prompt.max_tokens
    if limit is not None and reasoning + tokens > limit:
        reasoning = min(reasoning, limit)
        text = text[: 4 * (limit - reasoning)]
        return Answer(text, [], limit, reasoning, truncated=True)
    return Answer(text, calls, reasoning + tokens, reasoning)


def _tools_to_call(prompt: Prompt) -> list[Tool]:
    if isinstance(prompt.must_call, str):
        named = [tool for tool in prompt.tools if tool.name == prompt.must_call]
        if not named:
            raise ProtocolError(
                f"Tool choice '{prompt.must_call}' not found in 'tools' parameter.",
                param="tool_choice",
            )
        return named
    question = prompt.question.lower()
    asked = [tool for tool in prompt.tools if tool.name.lower() in question]
    if not asked and (prompt.must_call or re.search(r"\btools?\b", question)):
        return prompt.tools[:1]
    return asked


def _text(state: State, prompt: Prompt, body: Json, digest: bytes) -> str:
    if isinstance(state.answer, str):
        return state.answer
    if state.answer is not None:
        try:
            return state.answer(body)
        except Exception as error:
            raise ScriptError from error
    if prompt.schema is not None:
        return json.dumps(example(prompt.schema) if prompt.schema else {"answer": words(digest, 3)})
    return words(digest, 12 + digest[0] % 28).capitalize() + "."


def words(digest: bytes, count: int) -> str:
    """`count` words (at most 60) picked by the digest."""
    return " ".join(_WORDS[byte % len(_WORDS)] for byte in digest[:count])


def _reasoning(prompt: Prompt, digest: bytes) -> int:
    if not (prompt.thinks or _REASONING_MODEL.match(prompt.model)):
        return 0
    return _REASONING_STEP * _EFFORTS.get(prompt.effort, 2) * (1 + digest[1] % 3)
