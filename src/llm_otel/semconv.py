"""Every name, unit, bucket and label form that llm-otel emits; imports nothing of ours.

Sources: the OpenTelemetry GenAI semantic conventions v1.41.1 (the last released text) and the
`semantic-conventions-genai` repository ("latest"), which renames some of them; `renamed()` holds
the difference. Collector, rules, dashboards and docs are generated from this module or tested
against it, so a name is written here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SCOPE: Final = "llm_otel"

# ---------------------------------------------------------------- span attributes (conventions)
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
OUTPUT_TYPE: Final = "gen_ai.output.type"
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_STATUS: Final = "gen_ai.response.status"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_V141: Final = "gen_ai.usage.cache_creation.input_tokens"
USAGE_CACHE_WRITE: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT: Final = "gen_ai.usage.audio.output_tokens"
USAGE_IMAGE_INPUT: Final = "gen_ai.usage.image.input_tokens"
USAGE_IMAGE_OUTPUT: Final = "gen_ai.usage.image.output_tokens"
USAGE_SEARCH_UNITS: Final = "llm_otel.usage.search_units"
USAGE_PAGES: Final = "llm_otel.usage.pages"
USAGE_ANNOTATED_PAGES: Final = "llm_otel.usage.annotated_pages"
USAGE_IMAGES: Final = "llm_otel.usage.images"
USAGE_IMAGE_PIXELS: Final = "llm_otel.usage.image_pixels"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
AGENT_ID: Final = "gen_ai.agent.id"
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_DESCRIPTION: Final = "gen_ai.agent.description"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
DATA_SOURCE_ID: Final = "gen_ai.data_source.id"
RETRIEVAL_TOP_K: Final = "gen_ai.retrieval.top_k"
RETRIEVAL_QUERY_TEXT: Final = "gen_ai.retrieval.query.text"
RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"
DB_SYSTEM_NAME: Final = "db.system.name"
DB_RETURNED_ROWS: Final = "db.response.returned_rows"
MCP_METHOD_NAME: Final = "mcp.method.name"
MCP_SESSION_ID: Final = "mcp.session.id"
MCP_PROTOCOL_VERSION: Final = "mcp.protocol.version"
MCP_RESOURCE_URI: Final = "mcp.resource.uri"
JSONRPC_REQUEST_ID: Final = "jsonrpc.request.id"
RPC_STATUS_CODE: Final = "rpc.response.status_code"
NETWORK_TRANSPORT: Final = "network.transport"
NETWORK_PROTOCOL_NAME: Final = "network.protocol.name"
OPENAI_API_TYPE: Final = "openai.api.type"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
AZURE_NAMESPACE: Final = "azure.resource_provider.namespace"
AWS_GUARDRAIL_ID: Final = "aws.bedrock.guardrail.id"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
HTTP_STATUS_CODE: Final = "http.response.status_code"
HTTP_RESEND_COUNT: Final = "http.request.resend_count"

# ---------------------------------------------------------------- span attributes (ours)
TENANT_ID: Final = "tenant_id"
FEATURE: Final = "feature"
USER_ID: Final = "user.id"
USER_HASH: Final = "user.hash"
SESSION_ID: Final = "session.id"
TAG_PREFIX: Final = "llm_otel.tag."
COST_AMOUNT: Final = "gen_ai.usage.cost.amount"
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"
COST_STATUS: Final = "llm_otel.cost.status"
USAGE_SOURCE: Final = "llm_otel.usage.source"
PROVIDER_REQUEST_ID: Final = "llm_otel.provider.request_id"
ERROR_CLASS: Final = "llm_otel.error.class"
TOTAL_CALLS: Final = "llm_otel.total.calls"
TOTAL_ERRORS: Final = "llm_otel.total.errors"
TOTAL_TOOL_CALLS: Final = "llm_otel.total.tool_calls"
TOTAL_INPUT_TOKENS: Final = "llm_otel.total.input_tokens"
TOTAL_OUTPUT_TOKENS: Final = "llm_otel.total.output_tokens"
TOTAL_COST: Final = "llm_otel.total.cost_usd"
TOTAL_UNPRICED: Final = "llm_otel.total.unpriced"
TOTAL_INCOMPLETE: Final = "llm_otel.total.incomplete"
CACHE_HIT: Final = "llm_otel.cache_hit"
SAVED_AMOUNT: Final = "llm_otel.saved.usd"
SAVED_STATUS: Final = "llm_otel.saved.status"
SAVED_INPUT_TOKENS: Final = "llm_otel.saved.input_tokens"
SAVED_OUTPUT_TOKENS: Final = "llm_otel.saved.output_tokens"
RETRIEVAL_SCORE_MIN: Final = "llm_otel.retrieval.score.min"
RETRIEVAL_SCORE_MAX: Final = "llm_otel.retrieval.score.max"
RETRIEVAL_DISTANCE_MIN: Final = "llm_otel.retrieval.distance.min"
RETRIEVAL_DISTANCE_MAX: Final = "llm_otel.retrieval.distance.max"

# ---------------------------------------------------------------- baggage between services (ours)
BAGGAGE_TENANT_ID: Final = "llm_otel.tenant_id"
BAGGAGE_FEATURE: Final = "llm_otel.feature"
BAGGAGE_USER_ID: Final = "llm_otel.user_id"
BAGGAGE_USER_HASH: Final = "llm_otel.user_hash"
BAGGAGE_SESSION_ID: Final = "llm_otel.session_id"

# ---------------------------------------------------------------- events
EVENT_DETAILS: Final = "gen_ai.client.inference.operation.details"
EVENT_EVALUATION: Final = "gen_ai.evaluation.result"
EVENT_OUTCOME: Final = "llm_otel.outcome"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
EVALUATION_RAW_VALUE: Final = "llm_otel.evaluation.raw_value"
EVALUATION_SCALE_WORST: Final = "llm_otel.evaluation.scale.worst"
EVALUATION_SCALE_BEST: Final = "llm_otel.evaluation.scale.best"
OUTCOME_PREFIX: Final = "llm_otel.outcome."
OUTCOME_SUCCESS: Final = "llm_otel.outcome.success"
OUTCOME_KIND: Final = "llm_otel.outcome.kind"
OUTCOME_VALUE: Final = "llm_otel.outcome.value_usd"

# ---------------------------------------------------------------- values
CHAT: Final = "chat"
TEXT_COMPLETION: Final = "text_completion"
GENERATE_CONTENT: Final = "generate_content"
EMBEDDINGS: Final = "embeddings"
RETRIEVAL: Final = "retrieval"
FETCH_RESPONSE: Final = "fetch_response"
EXECUTE_TOOL: Final = "execute_tool"
INVOKE_AGENT: Final = "invoke_agent"
INVOKE_WORKFLOW: Final = "invoke_workflow"
CACHED_ANSWER: Final = "cached_answer"
IMAGE_GENERATION: Final = "image_generation"
VIDEO_GENERATION: Final = "video_generation"
SPEECH: Final = "speech"
TRANSCRIPTION: Final = "transcription"
CONNECT: Final = "connect"
MODERATION: Final = "moderation"
RERANK: Final = "rerank"
OCR: Final = "ocr"
CANCEL_RESPONSE: Final = "cancel_response"
CREATE_CACHE: Final = "create_cache"
CREATE_BATCH: Final = "create_batch"
FETCH_BATCH: Final = "fetch_batch"
CANCEL_BATCH: Final = "cancel_batch"

FUNCTION: Final = "function"
IN_PROCESS: Final = "in_process"
# `error.type` of a call of an MCP tool whose result says that the tool failed.
TOOL_ERROR: Final = "tool_error"

NONE: Final = "none"
OTHER: Final = "other"
OPENAI_COMPATIBLE: Final = "openai_compatible"
# How `service.instance.id` begins where `llm-otel serve` counts the calls of services that have
# spans and no metrics.
DERIVED_INSTANCE: Final = "llm-otel-derived/"
USAGE_FROM_PROVIDER: Final = "provider"
USAGE_ESTIMATED: Final = "estimated"
USAGE_UNKNOWN: Final = "unknown"
COST_FROM_TABLE: Final = "genai-prices"
COST_FROM_PROVIDER: Final = "provider"
COST_FROM_OVERRIDE: Final = "override"
# `COST_STATUS` is absent where the amount is the whole cost, and where nothing was billed.
COST_INCOMPLETE: Final = "incomplete"
COST_UNPRICED: Final = "unpriced"
SAVED_UNKNOWN: Final = "unknown"
SAVED_STATUSES: Final = (COST_INCOMPLETE, COST_UNPRICED, SAVED_UNKNOWN)

# The classes of `error_type` with what each is, and those that count against the error share and
# the SLO.
RATE_LIMIT: Final = "rate_limit"
TIMEOUT: Final = "timeout"
SERVER: Final = "server"
CONNECTION: Final = "connection"
AUTHENTICATION: Final = "authentication"
PERMISSION: Final = "permission"
INSUFFICIENT_FUNDS: Final = "insufficient_funds"
NOT_FOUND: Final = "not_found"
INVALID_REQUEST: Final = "invalid_request"
CONTENT_FILTER: Final = "content_filter"
CANCELLED: Final = "cancelled"
BUDGET_EXCEEDED: Final = "budget_exceeded"
ERROR_CLASSES: Final = {
    RATE_LIMIT: "HTTP 429: too many requests, or the quota is used up",
    TIMEOUT: "no answer in time, or HTTP 408 or 504",
    SERVER: "any other HTTP 5xx, or HTTP 498: the provider failed or has no capacity left",
    CONNECTION: "the provider was not reached, or the connection broke",
    AUTHENTICATION: "HTTP 401: the key is missing or wrong",
    PERMISSION: "HTTP 403: the key may not do this",
    INSUFFICIENT_FUNDS: "HTTP 402, or a code that says so: the account has no money left",
    NOT_FOUND: "HTTP 404: no such model or response",
    INVALID_REQUEST: "any other HTTP 4xx: the request is wrong or too long",
    CONTENT_FILTER: "the provider's filter stopped the prompt or the answer",
    CANCELLED: "the task was cancelled or the process interrupted",
    BUDGET_EXCEEDED: "an exception named `BudgetExceeded`: a budget forbade the call",
    OTHER: "everything else, such as an answer that the SDK cannot parse",
}
SLO_ERROR_CLASSES: Final = (
    RATE_LIMIT,
    TIMEOUT,
    SERVER,
    CONNECTION,
    AUTHENTICATION,
    PERMISSION,
    INSUFFICIENT_FUNDS,
    OTHER,
)

# ---------------------------------------------------------------- metric labels
MODEL: Final = "model"
PROVIDER: Final = "provider"
OPERATION: Final = "operation"
ERROR_TYPE_LABEL: Final = "error_type"
TOKEN_TYPE: Final = "token_type"
CACHE: Final = "cache"
EVALUATION: Final = "evaluation"
OUTCOME: Final = "outcome"
KIND: Final = "kind"
TOKEN_TYPE_B: Final = "gen_ai.token.type"
TOKEN_MODALITY_B: Final = "gen_ai.token.modality"

SITE: Final = "site"
LABEL: Final = "label"
STEP: Final = "step"
INCOMPLETE: Final = "incomplete"
VERSION: Final = "version"

SUCCESS: Final = "success"
FAILURE: Final = "failure"
INPUT: Final = "input"
OUTPUT: Final = "output"
READ: Final = "read"
WRITE: Final = "write"

# ---------------------------------------------------------------- metrics
SECOND_BUCKETS: Final = (
    0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0,
    15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0,
)  # fmt: skip
SCORE_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
B1: Final = tuple(round(0.01 * 2**i, 2) for i in range(14))
B2: Final = tuple(float(4**i) for i in range(14))
# The conventions' bounds up to 128, and three more, so that limits of up to 512 can be told.
CALL_BUCKETS: Final = tuple(float(2**i) for i in range(11))
USD_BUCKETS: Final = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0)
B_AGENT: Final = tuple(round(0.1 * 2**i, 1) for i in range(13))
B_MCP: Final = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
)  # fmt: skip
B_WORKFLOW: Final = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)


@dataclass(frozen=True, eq=False)
class Metric:
    """One instrument: `kind` is histogram, counter, updown or gauge; `unit` is UCUM."""

    name: str
    kind: str
    unit: str
    description: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """The name after Prometheus' OTLP translation (without `_bucket`/`_sum`/`_count`)."""
        name = self.name.replace(".", "_")
        unit = {"s": "seconds", "1": "" if self.kind != "gauge" else "ratio"}.get(self.unit, "")
        if unit and not name.endswith(unit):
            name += "_" + unit
        return name + ("_total" if self.kind == "counter" else "")


CALL_LABELS: Final = (MODEL, PROVIDER, OPERATION, FEATURE, TENANT_ID)
_CALL = CALL_LABELS

REQUEST_DURATION: Final = Metric(
    "gen_ai.request.duration", "histogram", "s",
    "Time from the call to the end of its response, stream included.",
    (*_CALL, ERROR_TYPE_LABEL), SECOND_BUCKETS,
)  # fmt: skip
TIME_TO_FIRST_CHUNK: Final = Metric(
    "gen_ai.request.time_to_first_chunk", "histogram", "s",
    "Time from the call to the first chunk of a streamed response.", _CALL, SECOND_BUCKETS,
)  # fmt: skip
TOKENS_CONSUMED: Final = Metric(
    "gen_ai.tokens.consumed", "counter", "{token}",
    "Tokens billed; input includes cached, output includes reasoning.", (*_CALL, TOKEN_TYPE),
)  # fmt: skip
TOKENS_CACHED: Final = Metric(
    "gen_ai.tokens.cached", "counter", "{token}",
    "The part of the input read from or written to the provider's cache.", (*_CALL, CACHE),
)  # fmt: skip
TOKENS_REASONING: Final = Metric(
    "gen_ai.tokens.reasoning", "counter", "{token}", "The part of the output spent on reasoning.",
    _CALL,
)  # fmt: skip
ERRORS: Final = Metric(
    "gen_ai.errors", "counter", "{error}", "Calls that ended in an error, by class.",
    (*_CALL, ERROR_TYPE_LABEL),
)  # fmt: skip
REQUESTS_ACTIVE: Final = Metric(
    "gen_ai.requests.active", "updown", "{request}", "Calls begun and not ended.",
    (MODEL, PROVIDER, OPERATION),
)  # fmt: skip
COST: Final = Metric(
    "gen_ai.cost.usd", "counter", "{USD}", "Cost of the calls, by token type.",
    (*_CALL, TOKEN_TYPE),
)  # fmt: skip
REQUESTS_UNPRICED: Final = Metric(
    "gen_ai.requests.unpriced", "counter", "{request}",
    "Calls whose usage has no price, or has one in part: their cost is unknown or incomplete.",
    (MODEL, PROVIDER),
)  # fmt: skip
COST_SAVED: Final = Metric(
    "gen_ai.cost.saved", "counter", "{USD}",
    "What answers from the program's own cache would have cost.", _CALL,
)  # fmt: skip
RATELIMIT_REQUESTS_LIMIT: Final = Metric(
    "gen_ai.ratelimit.requests.limit", "gauge", "{request}",
    "Requests allowed in the provider's window.", (PROVIDER, MODEL),
)  # fmt: skip
RATELIMIT_REQUESTS_REMAINING: Final = Metric(
    "gen_ai.ratelimit.requests.remaining", "gauge", "{request}",
    "Requests left in the provider's window.", (PROVIDER, MODEL),
)  # fmt: skip
RATELIMIT_TOKENS_LIMIT: Final = Metric(
    "gen_ai.ratelimit.tokens.limit", "gauge", "{token}",
    "Tokens allowed in the provider's window.", (PROVIDER, MODEL),
)  # fmt: skip
RATELIMIT_TOKENS_REMAINING: Final = Metric(
    "gen_ai.ratelimit.tokens.remaining", "gauge", "{token}",
    "Tokens left in the provider's window.", (PROVIDER, MODEL),
)  # fmt: skip
EVALUATION_SCORE: Final = Metric(
    "gen_ai.evaluation.score", "histogram", "1", "Evaluation scores between 0 and 1.",
    (EVALUATION, MODEL, FEATURE, TENANT_ID), SCORE_BUCKETS,
)  # fmt: skip
OUTCOMES: Final = Metric(
    "gen_ai.outcomes", "counter", "{outcome}", "Interactions that succeeded or failed.",
    (OUTCOME, KIND, FEATURE, TENANT_ID),
)  # fmt: skip
OUTCOME_VALUE_USD: Final = Metric(
    "gen_ai.outcome.value", "counter", "{USD}", "Value that outcomes brought.",
    (KIND, FEATURE, TENANT_ID),
)  # fmt: skip
INTERNAL_ERRORS: Final = Metric(
    "llm_otel.internal_errors", "counter", "{error}",
    "Failures inside llm-otel, each swallowed and logged once.", (SITE,),
)  # fmt: skip
LABELS_OVERFLOWED: Final = Metric(
    "llm_otel.labels.overflowed", "counter", "{value}",
    "Label values folded into `other` by a cap or a form.", (LABEL,),
)  # fmt: skip
USAGE_UNKNOWN_TOTAL: Final = Metric(
    "llm_otel.usage.unknown", "counter", "{request}",
    "Calls that should report usage and did not: their tokens and cost are missing.",
    (MODEL, PROVIDER, OPERATION),
)  # fmt: skip
ROLLUP_LATE: Final = Metric(
    "llm_otel.rollup.late", "counter", "{request}",
    "Calls that ended after a workflow or agent around them: its totals miss them.", (),
)  # fmt: skip
RUN_COST: Final = Metric(
    "llm_otel.run.cost", "histogram", "{USD}",
    "What the calls in one run of a workflow or agent cost together.",
    (OPERATION, STEP, FEATURE, TENANT_ID, INCOMPLETE), USD_BUCKETS,
)  # fmt: skip
SAVED_UNKNOWN_TOTAL: Final = Metric(
    "llm_otel.saved.unknown", "counter", "{request}",
    "Answers from the program's own cache whose saving is not known, or in part.",
    (MODEL, PROVIDER, OPERATION),
)  # fmt: skip
PRICES_AGE: Final = Metric(
    "llm_otel.prices.age", "gauge", "s", "Age of the price table in use.", (),
)  # fmt: skip
PRICES_VERSION: Final = Metric(
    "llm_otel.prices.version", "gauge", "{info}",
    "Always 1; the version of the price table is the label.", (VERSION,),
)  # fmt: skip

RATELIMITS: Final = (
    RATELIMIT_REQUESTS_LIMIT, RATELIMIT_REQUESTS_REMAINING, RATELIMIT_TOKENS_LIMIT,
    RATELIMIT_TOKENS_REMAINING,
)  # fmt: skip
FAMILY_A: Final = (
    REQUEST_DURATION, TIME_TO_FIRST_CHUNK, TOKENS_CONSUMED, TOKENS_CACHED, TOKENS_REASONING,
    ERRORS, REQUESTS_ACTIVE, COST, REQUESTS_UNPRICED, COST_SAVED, RATELIMIT_REQUESTS_LIMIT,
    RATELIMIT_REQUESTS_REMAINING, RATELIMIT_TOKENS_LIMIT, RATELIMIT_TOKENS_REMAINING,
    EVALUATION_SCORE, OUTCOMES, OUTCOME_VALUE_USD, INTERNAL_ERRORS, LABELS_OVERFLOWED,
    USAGE_UNKNOWN_TOTAL, SAVED_UNKNOWN_TOTAL, RUN_COST, ROLLUP_LATE, PRICES_AGE, PRICES_VERSION,
)  # fmt: skip

# Metrics whose growth Prometheus records hour by hour, and the labels that it keeps. Whatever looks
# back further than a day sums these.
HOURLY: Final[Mapping[Metric, tuple[str, ...]]] = {
    COST: (MODEL, PROVIDER, TENANT_ID, FEATURE),
    TOKENS_CONSUMED: (MODEL, PROVIDER, TENANT_ID, FEATURE, TOKEN_TYPE),
    REQUEST_DURATION: (MODEL, PROVIDER, TENANT_ID, FEATURE),
    ERRORS: (MODEL, PROVIDER, TENANT_ID, FEATURE, ERROR_TYPE_LABEL),
    EVALUATION_SCORE: (EVALUATION, MODEL, FEATURE, TENANT_ID),
    OUTCOMES: (KIND, FEATURE, TENANT_ID, OUTCOME),
    OUTCOME_VALUE_USD: (KIND, FEATURE, TENANT_ID),
    COST_SAVED: (MODEL, PROVIDER, TENANT_ID, FEATURE),
}

# Family B: the conventions' own metrics. No attribution on these, but for those of steps.
COMMON_B: Final = (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL, RESPONSE_MODEL, SERVER_ADDRESS,
                   SERVER_PORT)  # fmt: skip
_COMMON_B = COMMON_B
V141_OPERATION_DURATION: Final = Metric(
    "gen_ai.client.operation.duration", "histogram", "s", "GenAI operation duration.",
    (*_COMMON_B, ERROR_TYPE), B1,
)  # fmt: skip
V141_TOKEN_USAGE: Final = Metric(
    "gen_ai.client.token.usage", "histogram", "{token}", "Number of input and output tokens used.",
    (*_COMMON_B, TOKEN_TYPE_B), B2,
)  # fmt: skip
V141_TIME_TO_FIRST_CHUNK: Final = Metric(
    "gen_ai.client.operation.time_to_first_chunk", "histogram", "s",
    "Time to receive the first chunk.", _COMMON_B, B1,
)  # fmt: skip
V141_TIME_PER_OUTPUT_CHUNK: Final = Metric(
    "gen_ai.client.operation.time_per_output_chunk", "histogram", "s",
    "Time per output chunk after the first.", _COMMON_B, B1,
)  # fmt: skip
LATEST_INFERENCE_DURATION: Final = Metric(
    "gen_ai.client.inference.duration", "histogram", "s", "GenAI inference duration.",
    (*_COMMON_B, ERROR_TYPE), B1,
)  # fmt: skip
LATEST_EMBEDDINGS_DURATION: Final = Metric(
    "gen_ai.client.embeddings.duration", "histogram", "s", "GenAI embeddings duration.",
    (*_COMMON_B, ERROR_TYPE), B1,
)  # fmt: skip
LATEST_TIME_TO_FIRST_CHUNK: Final = Metric(
    "gen_ai.client.inference.time_to_first_chunk", "histogram", "s",
    "Time to receive the first chunk.", _COMMON_B, B1,
)  # fmt: skip
LATEST_TIME_PER_OUTPUT_CHUNK: Final = Metric(
    "gen_ai.client.inference.time_per_output_chunk", "histogram", "s",
    "Time per output chunk after the first.", _COMMON_B, B1,
)  # fmt: skip
LATEST_INPUT_TOKENS: Final = Metric(
    "gen_ai.client.inference.usage.input_tokens", "counter", "{token}", "Input tokens billed.",
    (*_COMMON_B, TOKEN_MODALITY_B),
)  # fmt: skip
LATEST_OUTPUT_TOKENS: Final = Metric(
    "gen_ai.client.inference.usage.output_tokens", "counter", "{token}", "Output tokens billed.",
    (*_COMMON_B, TOKEN_MODALITY_B),
)  # fmt: skip
LATEST_CACHE_READ_TOKENS: Final = Metric(
    "gen_ai.client.inference.usage.cache_read.input_tokens", "counter", "{token}",
    "Input tokens read from the cache.", (*_COMMON_B, TOKEN_MODALITY_B),
)  # fmt: skip
LATEST_CACHE_WRITE_TOKENS: Final = Metric(
    "gen_ai.client.inference.usage.cache_write.input_tokens", "counter", "{token}",
    "Input tokens written to the cache.", (*_COMMON_B, TOKEN_MODALITY_B),
)  # fmt: skip
LATEST_REASONING_TOKENS: Final = Metric(
    "gen_ai.client.inference.usage.reasoning.output_tokens", "counter", "{token}",
    "Output tokens spent on reasoning.", (*_COMMON_B, TOKEN_MODALITY_B),
)  # fmt: skip
LATEST_OPERATION_INPUT_TOKENS: Final = Metric(
    "gen_ai.client.inference.operation.input_tokens", "histogram", "{token}",
    "Input tokens of one operation.", (*_COMMON_B, ERROR_TYPE), B2,
)  # fmt: skip
LATEST_OPERATION_OUTPUT_TOKENS: Final = Metric(
    "gen_ai.client.inference.operation.output_tokens", "histogram", "{token}",
    "Output tokens of one operation.", (*_COMMON_B, ERROR_TYPE), B2,
)  # fmt: skip
LATEST_EMBEDDINGS_INPUT_TOKENS: Final = Metric(
    "gen_ai.client.embeddings.operation.input_tokens", "histogram", "{token}",
    "Input tokens of one embeddings operation.", (*_COMMON_B, ERROR_TYPE), B2,
)  # fmt: skip
INVOKE_AGENT_DURATION: Final = Metric(
    "gen_ai.invoke_agent.duration", "histogram", "s", "Agent invocation duration.",
    (AGENT_NAME, REQUEST_MODEL, FEATURE, TENANT_ID, ERROR_TYPE), B_AGENT,
)  # fmt: skip
INVOKE_AGENT_INFERENCE_CALLS: Final = Metric(
    "gen_ai.invoke_agent.inference_calls", "histogram", "{inference_call}",
    "Inference calls of one agent invocation, without those of agents inside it.",
    (AGENT_NAME, FEATURE, TENANT_ID, ERROR_TYPE), CALL_BUCKETS,
)  # fmt: skip
INVOKE_AGENT_TOOL_CALLS: Final = Metric(
    "gen_ai.invoke_agent.tool_calls", "histogram", "{tool_call}",
    "Tool calls of one agent invocation, without those of agents inside it.",
    (AGENT_NAME, FEATURE, TENANT_ID, ERROR_TYPE), CALL_BUCKETS,
)  # fmt: skip
INVOKE_WORKFLOW_DURATION: Final = Metric(
    "gen_ai.invoke_workflow.duration", "histogram", "s", "Workflow duration.",
    (WORKFLOW_NAME, FEATURE, TENANT_ID, ERROR_TYPE), B_WORKFLOW,
)  # fmt: skip
EXECUTE_TOOL_DURATION: Final = Metric(
    "gen_ai.execute_tool.duration", "histogram", "s", "Tool execution duration.",
    (TOOL_NAME, TOOL_TYPE, AGENT_NAME, FEATURE, TENANT_ID, ERROR_TYPE), B1,
)  # fmt: skip
_MCP: Final = (MCP_METHOD_NAME, TOOL_NAME, MCP_PROTOCOL_VERSION, NETWORK_TRANSPORT, ERROR_TYPE)
MCP_CLIENT_DURATION: Final = Metric(
    "mcp.client.operation.duration", "histogram", "s",
    "Time from sending an MCP request to its response.", _MCP, B_MCP,
)  # fmt: skip
MCP_SERVER_DURATION: Final = Metric(
    "mcp.server.operation.duration", "histogram", "s",
    "Time from receiving an MCP request to its response.", _MCP, B_MCP,
)  # fmt: skip

FAMILY_B_V141: Final = (
    V141_OPERATION_DURATION, V141_TOKEN_USAGE, V141_TIME_TO_FIRST_CHUNK,
    V141_TIME_PER_OUTPUT_CHUNK,
)  # fmt: skip
FAMILY_B_LATEST: Final = (
    LATEST_INFERENCE_DURATION, LATEST_EMBEDDINGS_DURATION, LATEST_TIME_TO_FIRST_CHUNK,
    LATEST_TIME_PER_OUTPUT_CHUNK, LATEST_INPUT_TOKENS, LATEST_OUTPUT_TOKENS,
    LATEST_CACHE_READ_TOKENS, LATEST_CACHE_WRITE_TOKENS, LATEST_REASONING_TOKENS,
    LATEST_OPERATION_INPUT_TOKENS, LATEST_OPERATION_OUTPUT_TOKENS,
    LATEST_EMBEDDINGS_INPUT_TOKENS,
)  # fmt: skip
FAMILY_B_STEPS: Final = (
    INVOKE_AGENT_DURATION, INVOKE_AGENT_INFERENCE_CALLS, INVOKE_AGENT_TOOL_CALLS,
    INVOKE_WORKFLOW_DURATION, EXECUTE_TOOL_DURATION, MCP_CLIENT_DURATION, MCP_SERVER_DURATION,
)  # fmt: skip

# ---------------------------------------------------------------- caps and forms
# The SDK folds what is over 2,000 attribute sets of an instrument into `otel.metric.overflow`;
# ours stay below it.
MAX_MODELS: Final = 50
MAX_FEATURES: Final = 20
MAX_TENANTS: Final = 100
MAX_STEP_NAMES: Final = 100
MAX_COMBINATIONS: Final = 1500

# The longest text of a span attribute that is not content, and the longest list of them.
MAX_TEXT: Final = 4096
MAX_TEXTS: Final = 128
MAX_OUTCOME_ATTRIBUTES: Final = 32

# Each label's form; a value that breaks it becomes `other`. The Collector's allow list reads this.
FORMS: Final = {
    MODEL: re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+#-]{0,127}"),
    PROVIDER: re.compile(r"[a-z0-9][a-z0-9._-]{0,63}"),
    OPERATION: re.compile(r"[a-z][a-z_]{0,31}"),
    FEATURE: re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}"),
    TENANT_ID: re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}"),
    RESPONSE_MODEL: re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+#-]{0,127}"),
    WORKFLOW_NAME: re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}"),
    AGENT_NAME: re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}"),
    TOOL_NAME: re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}"),
    STEP: re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}"),
    MCP_METHOD_NAME: re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,63}"),
    MCP_PROTOCOL_VERSION: re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}"),
    SERVER_ADDRESS: re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}"),
    KIND: re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"),
    EVALUATION: re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"),
}

# Each baggage entry's form; another value is neither sent nor believed.
_URL_SAFE = re.compile(r"[A-Za-z0-9._~:/@+-]{1,128}")
BAGGAGE_FORMS: Final = {
    BAGGAGE_TENANT_ID: FORMS[TENANT_ID],
    BAGGAGE_FEATURE: FORMS[FEATURE],
    BAGGAGE_USER_ID: _URL_SAFE,
    BAGGAGE_USER_HASH: re.compile(r"[0-9a-f]{64}"),
    BAGGAGE_SESSION_ID: _URL_SAFE,
}


def well_formed(label: str, value: str) -> bool:
    """Whether `value` has the form that `FORMS` gives for `label`."""
    return FORMS[label].fullmatch(value) is not None
