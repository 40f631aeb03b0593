"""What some emitters count or time in a way of their own, put right under the names of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llm_otel import semconv
from llm_otel.foreign.json_usage import parsed
from llm_otel.foreign.names import langsmith
from llm_otel.foreign.names.operations import CALLS, REMOTE_AGENTS, STEPS, STREAM_START
from llm_otel.foreign.names.providers import maker_of, provider_of
from llm_otel.foreign.quantities import MOST_SECONDS, amount, count_of
from llm_otel.foreign.usage import BESIDE

# Changes the attributes in place.
Correction = Callable[[dict[str, Any]], None]

_VERTEX: Final = "gcp.vertex_ai"
_CACHED: Final = (semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE)
# The level of logfire's spans from which on they failed.
_ERROR_LEVEL: Final = 17


def tells(name: str) -> bool:
    """Whether an attribute of this name, as it was sent, decides the corrections of its span."""
    return name in _BY_NAME or name.startswith(_AI_SDK_6)


def of_names(names: tuple[str, ...]) -> tuple[Correction, ...]:
    """The corrections for a span whose attributes that decide have these names."""
    found = list(dict.fromkeys(_BY_NAME[name] for name in names if name in _BY_NAME))
    if _ai_sdk in found and any(name.startswith(_AI_SDK_6) for name in names):
        found.remove(_ai_sdk)
    return tuple(found)


def put_right(attributes: dict[str, Any], which: tuple[Correction, ...], *, answered: bool) -> None:
    """Apply corrections; `answered` says that the counts are those of the provider's own answer."""
    for correct in which:
        if not answered or correct not in _OF_COUNTS:
            correct(attributes)


def logged_seconds(sent: Mapping[str, Any]) -> float | None:
    """How long the stream took that a log of logfire tells of: the log itself is a moment.

    Args:
        sent: The attributes under the names of their sender.
    """
    if sent.get("logfire.span_type") != "log" or "request_data" not in sent:
        return None
    return amount(sent.get("duration"), MOST_SECONDS)


def is_remote_run(attributes: Mapping[str, Any]) -> bool:
    """Whether a span of an agent is a request to a provider who runs it, with its usage."""
    counts = (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)
    return attributes.get(semconv.PROVIDER_NAME) in REMOTE_AGENTS and all(
        attributes.get(name) is not None for name in counts
    )


def _genkit(attributes: dict[str, Any]) -> None:
    """Genkit names a model as `provider/model`."""
    name = attributes.get("genkit:name")
    if isinstance(name, str) and semconv.REQUEST_MODEL not in attributes:
        kind = attributes.get("genkit:metadata:subtype")
        provider, _, model = name.partition("/")
        if model and STEPS["genkit:metadata:subtype"].get(str(kind)) in CALLS:
            attributes[semconv.REQUEST_MODEL] = model
            attributes.setdefault(semconv.PROVIDER_NAME, provider)


# Version 6 counts cached tokens inside the input, and has names that say which.
_AI_SDK_6: Final = "ai.usage.inputTokenDetails."


def _ai_sdk(attributes: dict[str, Any]) -> None:
    """Versions up to 5 leave cached tokens out of Claude's input, and out of the total too."""
    inputs = count_of(attributes.get(semconv.USAGE_INPUT_TOKENS))
    cached = sum(count_of(attributes.get(name)) or 0 for name in _CACHED)
    if inputs is None or not cached:
        return
    provider = provider_of(str(attributes.get(semconv.PROVIDER_NAME)))
    claude = "claude" in str(attributes.get(semconv.REQUEST_MODEL)).lower()
    if provider in BESIDE or (provider == _VERTEX and claude):
        attributes[semconv.USAGE_INPUT_TOKENS] = inputs + cached


def _adk(attributes: dict[str, Any]) -> None:
    """Google ADK 1.28 to 2.0 leaves Gemini's thoughts out of the output."""
    output = count_of(attributes.get(semconv.USAGE_OUTPUT_TOKENS))
    thoughts = count_of(attributes.get(semconv.USAGE_REASONING))
    gemini = maker_of(str(attributes.get(semconv.REQUEST_MODEL))) == "gcp.gemini"
    if gemini and output is not None and thoughts:
        attributes[semconv.USAGE_OUTPUT_TOKENS] = output + thoughts


def _logfire(attributes: dict[str, Any]) -> None:
    """A stream is two spans: the request, which ends with the first bytes, and a log with what the
    answer was. A request that failed has no log."""
    if attributes.get("logfire.span_type") == "log" and "duration" in attributes:
        attributes[semconv.REQUEST_STREAM] = True
        attributes.setdefault(semconv.OPERATION_NAME, semconv.CHAT)
    elif (
        attributes.get("logfire.span_type") == "span"
        and (attributes.get(semconv.REQUEST_STREAM) is True or _has_no_answer(attributes))
        and semconv.USAGE_INPUT_TOKENS not in attributes
        and semconv.USAGE_OUTPUT_TOKENS not in attributes
        and (count_of(attributes.get("logfire.level_num")) or 0) < _ERROR_LEVEL
    ):
        attributes[semconv.OPERATION_NAME] = STREAM_START


def _has_no_answer(attributes: Mapping[str, Any]) -> bool:
    """Whether a span of a text's request tells nothing of its answer: Logfire 5 does not say which
    requests are streams."""
    return (
        attributes.get(semconv.OPERATION_NAME) in (semconv.CHAT, semconv.TEXT_COMPLETION)
        and semconv.RESPONSE_ID not in attributes
        and "response_data" not in attributes
    )


def _langsmith(attributes: dict[str, Any]) -> None:
    """LangSmith's parts of the input and the output are JSON, or what Python prints."""
    for name, parts in langsmith.DETAILS.items():
        details = parsed(attributes.get(name))
        if isinstance(details, dict):
            for target, keys in parts.items():
                counts = [count for key in keys if (count := count_of(details.get(key)))]
                if counts:
                    attributes.setdefault(target, sum(counts))


def _whole_numbers(in_a_second: float) -> Correction:
    """For names of the time to the first token that hold seconds, but for one emitter, who has a
    whole number of a smaller unit there."""

    def correct(attributes: dict[str, Any]) -> None:
        first = attributes.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
        if type(first) is int:
            attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] = first / in_a_second

    return correct


# Attribute of a sender's -> what is wrong in its spans.
_BY_NAME: Final[Mapping[str, Correction]] = {
    "genkit:name": _genkit,
    "ai.model.provider": _ai_sdk,
    "gen_ai.usage.experimental.reasoning_tokens": _adk,
    "request_data": _logfire,
    **dict.fromkeys(langsmith.DETAILS, _langsmith),
    "gen_ai.server.time_to_first_token": _whole_numbers(1e3),  # Strands Agents
    "gen_ai.response.time_to_first_token": _whole_numbers(1e9),  # Alibaba's LoongSuite
}
_OF_COUNTS: Final = frozenset({_ai_sdk, _adk})
NAMES: Final = frozenset(_BY_NAME)
# Of those, the ones that change nothing on a span without a provider of some.
PROVIDERS: Final[Mapping[str, frozenset[str]]] = {"ai.model.provider": BESIDE | {_VERTEX}}
# The attributes that the corrections read or change.
READ: Final = frozenset(
    {
        *("genkit:name", "genkit:metadata:subtype", "logfire.span_type", "logfire.level_num"),
        *("response_data", semconv.RESPONSE_ID),
        *("duration", semconv.OPERATION_NAME, semconv.PROVIDER_NAME, semconv.REQUEST_MODEL),
        *(semconv.REQUEST_STREAM, semconv.RESPONSE_TIME_TO_FIRST_CHUNK, *langsmith.DETAILS),
        *(semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, semconv.USAGE_REASONING),
        *_CACHED,
    }
)
