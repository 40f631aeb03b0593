"""What the Collector lets through, each key with the form of its value, and what it never does.

The lists are made from the names module; a name there that is in neither list fails the tests.
Patterns are those of Go's RE2 and of Python alike, and are held against the whole value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from llm_otel import semconv


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an allowed value; a value of another type is dropped.

    Attributes:
        kind: `text`, `texts` (a list of them), `count`, `number`, `flag` or `value` (a text, a
            number or a flag).
        what: The form in words.
        pattern: What a text has to match as a whole; one that does not becomes `other`.
    """

    kind: str
    what: str
    pattern: str = ""


def _text(what: str, pattern: str) -> Form:
    return Form("text", what, pattern)


def _one_of(values: Iterable[str]) -> Form:
    words = sorted(values)
    return _text("one of " + ", ".join(words), "|".join(words))


def _labelled(what: str, label: str) -> Form:
    return _text(what, semconv.FORMS[label].pattern)


COUNT: Final = Form("count", "a number, not negative")
NUMBER: Final = Form("number", "a number")
FLAG: Final = Form("flag", "true or false")
WORD: Final = _text("a word: 1–64 of `A-Za-z0-9_.:-`", "[A-Za-z0-9_.:-]{1,64}")
ID: Final = _text("an id: 1–128 of `A-Za-z0-9._:/~-`", "[A-Za-z0-9._:/~-]{1,128}")
# The library allows blanks in names, too; a name of several words could be a sentence.
NAME: Final = _text("a name in one word: 1–64 of `A-Za-z0-9_.:/-`", "[A-Za-z0-9_.:/-]{1,64}")
MODEL: Final = _labelled("a model's name: 1–128 of `A-Za-z0-9._:/@+#-`", semconv.MODEL)
PROVIDER: Final = _labelled("a provider: 1–64 of `a-z0-9._-`", semconv.PROVIDER)
OPERATION: Final = _labelled("an operation: 1–32 of `a-z_`", semconv.OPERATION)
TENANT: Final = _labelled("an id: 1–64 of `A-Za-z0-9._:/-`", semconv.TENANT_ID)
FEATURE: Final = _labelled("a name: 1–64 of `A-Za-z0-9._:/-`", semconv.FEATURE)
KIND: Final = _labelled("a name: 1–64 of `A-Za-z0-9._:-`", semconv.KIND)
HOST: Final = _labelled("a host: 1–253 of `A-Za-z0-9.:_-`", semconv.SERVER_ADDRESS)
METHOD: Final = _labelled("a method: 1–64 of `A-Za-z0-9_./-`", semconv.MCP_METHOD_NAME)
PROTOCOL_VERSION: Final = _labelled(
    "a version: 1–32 of `A-Za-z0-9.-`", semconv.MCP_PROTOCOL_VERSION
)
VALUE: Final = Form("value", "a word, a number, or true or false", WORD.pattern)
CLASS: Final = _text(
    "the name of an exception's class or a code: 1–128 of `A-Za-z0-9_.:<>-`",
    "[A-Za-z0-9_.:<>-]{1,128}",
)
# `error_type` and `token_type` of the metrics are few words; so are where the library failed.
SITE: Final = _text("one or two lower-case words of 1–24", "[a-z_]{1,24}(?: [a-z_]{1,24})?")
HASH: Final = _text(
    "64 hexadecimal digits", semconv.BAGGAGE_FORMS[semconv.BAGGAGE_USER_HASH].pattern
)
CURRENCY: Final = _text("three capital letters", "[A-Z]{3}")
REASONS: Final = Form("texts", "a list of at most 128 words of 1–40 `a-z0-9_-`", "[a-z0-9_-]{1,40}")
ERROR_CLASS: Final = _one_of(semconv.ERROR_CLASSES)

OPERATIONS: Final = (
    semconv.CHAT, semconv.TEXT_COMPLETION, semconv.EMBEDDINGS, semconv.RETRIEVAL,
    semconv.FETCH_RESPONSE, semconv.EXECUTE_TOOL, semconv.INVOKE_AGENT, semconv.INVOKE_WORKFLOW,
    semconv.GENERATE_CONTENT, semconv.VIDEO_GENERATION, semconv.CREATE_CACHE,
    semconv.IMAGE_GENERATION, semconv.SPEECH, semconv.TRANSCRIPTION, semconv.MODERATION,
    semconv.RERANK, semconv.OCR, semconv.CANCEL_RESPONSE, semconv.CREATE_BATCH,
    semconv.FETCH_BATCH, semconv.CANCEL_BATCH, semconv.CONNECT, semconv.CACHED_ANSWER,
)  # fmt: skip
EVENTS: Final = (semconv.EVENT_DETAILS, semconv.EVENT_EVALUATION, semconv.EVENT_OUTCOME)

# Resource attributes are the SDK's, not the library's.
SERVICE_NAME: Final = "service.name"
RESOURCE: Final[Mapping[str, Form]] = {
    SERVICE_NAME: ID,
    "service.namespace": ID,
    "service.version": ID,
    "service.instance.id": ID,
    "deployment.environment.name": WORD,
    "telemetry.sdk.language": WORD,
    "telemetry.sdk.name": WORD,
    "telemetry.sdk.version": WORD,
}

SPAN: Final[Mapping[str, Form]] = {
    semconv.OPERATION_NAME: OPERATION,
    semconv.PROVIDER_NAME: PROVIDER,
    semconv.REQUEST_MODEL: MODEL,
    semconv.RESPONSE_MODEL: MODEL,
    semconv.SERVER_ADDRESS: HOST,
    semconv.SERVER_PORT: COUNT,
    semconv.OPENAI_API_TYPE: WORD,
    semconv.TENANT_ID: TENANT,
    semconv.FEATURE: FEATURE,
    semconv.USER_HASH: HASH,
    semconv.SESSION_ID: ID,
    semconv.CONVERSATION_ID: ID,
    semconv.RESPONSE_ID: ID,
    semconv.PROVIDER_REQUEST_ID: ID,
    semconv.RESPONSE_FINISH_REASONS: REASONS,
    semconv.RESPONSE_STATUS: WORD,
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: NUMBER,
    semconv.USAGE_INPUT_TOKENS: COUNT,
    semconv.USAGE_OUTPUT_TOKENS: COUNT,
    semconv.USAGE_CACHE_READ: COUNT,
    semconv.USAGE_CACHE_WRITE_V141: COUNT,
    semconv.USAGE_CACHE_WRITE: COUNT,
    semconv.USAGE_REASONING: COUNT,
    semconv.USAGE_AUDIO_INPUT: COUNT,
    semconv.USAGE_AUDIO_OUTPUT: COUNT,
    semconv.USAGE_IMAGE_INPUT: COUNT,
    semconv.USAGE_IMAGE_OUTPUT: COUNT,
    semconv.USAGE_SEARCH_UNITS: COUNT,
    semconv.USAGE_PAGES: COUNT,
    semconv.USAGE_ANNOTATED_PAGES: COUNT,
    semconv.USAGE_IMAGES: COUNT,
    semconv.USAGE_IMAGE_PIXELS: COUNT,
    semconv.USAGE_SOURCE: WORD,
    semconv.COST_AMOUNT: NUMBER,
    semconv.COST_CURRENCY: CURRENCY,
    semconv.COST_SOURCE: WORD,
    semconv.COST_STATUS: _one_of((semconv.COST_INCOMPLETE, semconv.COST_UNPRICED)),
    semconv.ERROR_TYPE: CLASS,
    semconv.ERROR_CLASS: ERROR_CLASS,
    semconv.HTTP_STATUS_CODE: COUNT,
    semconv.HTTP_RESEND_COUNT: COUNT,
    semconv.REQUEST_STREAM: FLAG,
    semconv.REQUEST_CHOICE_COUNT: COUNT,
    semconv.REQUEST_SEED: NUMBER,
    semconv.REQUEST_TEMPERATURE: NUMBER,
    semconv.REQUEST_TOP_P: NUMBER,
    semconv.REQUEST_TOP_K: NUMBER,
    semconv.REQUEST_FREQUENCY_PENALTY: NUMBER,
    semconv.REQUEST_PRESENCE_PENALTY: NUMBER,
    semconv.REQUEST_MAX_TOKENS: COUNT,
    semconv.REQUEST_REASONING_LEVEL: WORD,
    semconv.REQUEST_PREVIOUS_RESPONSE_ID: ID,
    semconv.REQUEST_ENCODING_FORMATS: REASONS,
    semconv.OUTPUT_TYPE: WORD,
    semconv.PROMPT_NAME: NAME,
    semconv.PROMPT_VERSION: WORD,
    semconv.EMBEDDINGS_DIMENSION_COUNT: COUNT,
    semconv.OPENAI_REQUEST_SERVICE_TIER: WORD,
    semconv.OPENAI_RESPONSE_SERVICE_TIER: WORD,
    semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: WORD,
    semconv.AZURE_NAMESPACE: WORD,
    semconv.AWS_GUARDRAIL_ID: ID,
    semconv.TOOL_NAME: NAME,
    semconv.TOOL_TYPE: WORD,
    semconv.TOOL_CALL_ID: ID,
    semconv.AGENT_ID: ID,
    semconv.AGENT_NAME: NAME,
    semconv.WORKFLOW_NAME: NAME,
    semconv.DATA_SOURCE_ID: ID,
    semconv.RETRIEVAL_TOP_K: COUNT,
    semconv.TOTAL_CALLS: COUNT,
    semconv.TOTAL_ERRORS: COUNT,
    semconv.TOTAL_TOOL_CALLS: COUNT,
    semconv.TOTAL_INPUT_TOKENS: COUNT,
    semconv.TOTAL_OUTPUT_TOKENS: COUNT,
    semconv.TOTAL_COST: NUMBER,
    semconv.TOTAL_UNPRICED: COUNT,
    semconv.TOTAL_INCOMPLETE: FLAG,
    semconv.CACHE_HIT: FLAG,
    semconv.SAVED_AMOUNT: NUMBER,
    semconv.SAVED_STATUS: _one_of(semconv.SAVED_STATUSES),
    semconv.SAVED_INPUT_TOKENS: COUNT,
    semconv.SAVED_OUTPUT_TOKENS: COUNT,
    semconv.RETRIEVAL_SCORE_MIN: NUMBER,
    semconv.RETRIEVAL_SCORE_MAX: NUMBER,
    semconv.RETRIEVAL_DISTANCE_MIN: NUMBER,
    semconv.RETRIEVAL_DISTANCE_MAX: NUMBER,
    semconv.DB_SYSTEM_NAME: WORD,
    semconv.DB_RETURNED_ROWS: COUNT,
    semconv.MCP_METHOD_NAME: METHOD,
    semconv.MCP_SESSION_ID: ID,
    semconv.MCP_PROTOCOL_VERSION: PROTOCOL_VERSION,
    semconv.JSONRPC_REQUEST_ID: ID,
    semconv.RPC_STATUS_CODE: WORD,
    semconv.NETWORK_TRANSPORT: WORD,
    semconv.NETWORK_PROTOCOL_NAME: WORD,
}


def tags(keys: Iterable[str]) -> dict[str, Form]:
    """The span attributes of the tags that the setting `tags` lists."""
    return {semconv.TAG_PREFIX + key: WORD for key in keys}


def outcome_attributes(keys: Iterable[str]) -> dict[str, Form]:
    """The attributes of the event of an outcome, of those keys that the setting `tags` lists."""
    return {semconv.OUTCOME_PREFIX + key: VALUE for key in keys}


# What a chat call that went well has, and the words that a value of few is one of; other spans take
# a slower way to the same result.
USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    semconv.OPERATION_NAME: (semconv.CHAT,),
    semconv.PROVIDER_NAME: (),
    semconv.REQUEST_MODEL: (),
    semconv.RESPONSE_MODEL: (),
    semconv.SERVER_ADDRESS: (),
    semconv.SERVER_PORT: (),
    semconv.OPENAI_API_TYPE: ("chat_completions", "responses"),
    semconv.TENANT_ID: (),
    semconv.FEATURE: (),
    semconv.USER_HASH: (),
    semconv.SESSION_ID: (),
    semconv.RESPONSE_ID: (),
    semconv.PROVIDER_REQUEST_ID: (),
    semconv.RESPONSE_FINISH_REASONS: ("stop", "tool_calls"),
    semconv.USAGE_INPUT_TOKENS: (),
    semconv.USAGE_OUTPUT_TOKENS: (),
    semconv.USAGE_CACHE_READ: (),
    semconv.USAGE_REASONING: (),
    semconv.USAGE_SOURCE: (semconv.USAGE_FROM_PROVIDER,),
    semconv.COST_AMOUNT: (),
    semconv.COST_CURRENCY: ("USD",),
    semconv.COST_SOURCE: ("local", "provider"),
    semconv.COST_STATUS: (semconv.COST_UNPRICED, semconv.COST_INCOMPLETE),
    semconv.REQUEST_STREAM: (),
    semconv.RESPONSE_TIME_TO_FIRST_CHUNK: (),
    semconv.REQUEST_TEMPERATURE: (),
    semconv.REQUEST_MAX_TOKENS: (),
    semconv.OPENAI_RESPONSE_SERVICE_TIER: ("default",),
    semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: (),
}

# Of a span event, which the library emits none of: the class of an exception that the SDK recorded.
EXCEPTION: Final = "exception"
SPAN_EVENT: Final[Mapping[str, Form]] = {"exception.type": CLASS}

LOG: Final[Mapping[str, Form]] = {
    **SPAN,
    semconv.EVALUATION_NAME: KIND,
    semconv.EVALUATION_SCORE_VALUE: NUMBER,
    semconv.EVALUATION_SCORE_LABEL: WORD,
    semconv.EVALUATION_RAW_VALUE: NUMBER,
    semconv.EVALUATION_SCALE_WORST: NUMBER,
    semconv.EVALUATION_SCALE_BEST: NUMBER,
    semconv.OUTCOME_SUCCESS: FLAG,
    semconv.OUTCOME_KIND: KIND,
    semconv.OUTCOME_VALUE: NUMBER,
}

METRICS: Final = (
    *semconv.FAMILY_A,
    *semconv.FAMILY_B_V141,
    *semconv.FAMILY_B_LATEST,
    *semconv.FAMILY_B_STEPS,
)
_LABELS: Final[Mapping[str, Form]] = {
    semconv.MODEL: MODEL,
    semconv.PROVIDER: PROVIDER,
    semconv.OPERATION: OPERATION,
    semconv.FEATURE: FEATURE,
    semconv.TENANT_ID: TENANT,
    semconv.ERROR_TYPE_LABEL: ERROR_CLASS,
    semconv.TOKEN_TYPE: WORD,
    semconv.CACHE: WORD,
    semconv.EVALUATION: KIND,
    semconv.OUTCOME: WORD,
    semconv.KIND: KIND,
    semconv.SITE: SITE,
    semconv.LABEL: WORD,
    semconv.VERSION: WORD,
    semconv.STEP: NAME,
    semconv.INCOMPLETE: _one_of(("true",)),
    semconv.TOKEN_TYPE_B: WORD,
    semconv.TOKEN_MODALITY_B: WORD,
}
# What the SDK folds an instrument's series beyond its limit into: it alerts, so it has to arrive.
OVERFLOW: Final = "otel.metric.overflow"
DATAPOINT: Final[Mapping[str, Form]] = {
    **{
        label: _LABELS[label] if label in _LABELS else SPAN[label]
        for label in dict.fromkeys(label for metric in METRICS for label in metric.labels)
    },
    OVERFLOW: FLAG,
}

# Let through by the overlay `content.yaml` alone, as they are.
CONTENT: Final[Mapping[str, str]] = {
    semconv.INPUT_MESSAGES: "the prompt",
    semconv.OUTPUT_MESSAGES: "the completion",
    semconv.SYSTEM_INSTRUCTIONS: "instructions",
    semconv.TOOL_DEFINITIONS: "descriptions of tools",
    semconv.TOOL_CALL_ARGUMENTS: "what the model wrote",
    semconv.TOOL_CALL_RESULT: "the application's data",
    semconv.RETRIEVAL_QUERY_TEXT: "what was searched for",
    semconv.RETRIEVAL_DOCUMENTS: "the application's data",
    semconv.MCP_RESOURCE_URI: "a path or an address of the application's data",
    semconv.EVALUATION_EXPLANATION: "free text that quotes the answer",
    semconv.REQUEST_STOP_SEQUENCES: "texts that the request carries",
    semconv.AGENT_DESCRIPTION: "free text",
    semconv.TOOL_DESCRIPTION: "free text",
}
# Never let through.
DENIED: Final[Mapping[str, str]] = {
    **CONTENT,
    semconv.USER_ID: "who it was: the overlay `user-hash.yaml` makes it `user.hash`",
    semconv.TAG_PREFIX: "tags: those alone pass that the setting `tags` lists",
    semconv.OUTCOME_PREFIX: "of an outcome's own attributes, likewise",
}


def rows() -> list[tuple[str, str, str]]:
    """Key, where it is allowed and its form in words: the table in docs/privacy.md."""
    places = {
        "resources": RESOURCE,
        "spans": SPAN,
        "span events": SPAN_EVENT,
        "events": LOG,
        "metrics": DATAPOINT,
    }
    rules: dict[str, tuple[list[str], str]] = {}
    for place, forms in places.items():
        for key, form in forms.items():
            rules.setdefault(key, ([], form.what))[0].append(place)
    return [(key, ", ".join(where), what) for key, (where, what) in sorted(rules.items())]
