"""What all of Mistral's endpoints share: headers, attributes of requests, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols import errors
from llm_otel.protocols.answer import BodyError
from llm_otel.protocols.headers import Headers, of_requests, of_tokens
from llm_otel.protocols.requests import ATTRIBUTES, Attributes, inner, strings

if TYPE_CHECKING:
    from llm_otel.providers.dialects import Dialect

# https://docs.mistral.ai/deployment/ai-studio/tier, and the older names by size
HEADERS = Headers(
    request_ids=(b"mistral-correlation-id", b"x-kong-request-id", b"x-request-id"),
    limits={
        **of_requests(b"x-ratelimit-*-req-minute"),
        **of_tokens(b"x-ratelimit-*-tokens-minute", b"ratelimitbysize-*"),
    },
)

_SETTINGS = (
    "temperature", "top_p", "top_k", "max_tokens", "stop", "n", "presence_penalty",
    "frequency_penalty", "reasoning_effort", "response_format",
)  # fmt: skip
_SEED = ((semconv.REQUEST_SEED, read.integer),)

# https://docs.mistral.ai/api
SETTINGS: Attributes = {
    **{name: ATTRIBUTES[name] for name in _SETTINGS},
    "random_seed": _SEED,
    "agent_id": ((semconv.AGENT_ID, read.string),),
    "output_dimension": ((semconv.EMBEDDINGS_DIMENSION_COUNT, read.integer),),
    "output_dtype": ((semconv.REQUEST_ENCODING_FORMATS, strings),),
    # A conversation has them one level below.
    "completion_args": tuple(
        (attribute, inner(name, reader))
        for name, entries in {
            **{name: ATTRIBUTES[name] for name in _SETTINGS},
            "random_seed": _SEED,
        }.items()
        for attribute, reader in entries
    ),
}


def error_in(node: object, dialect: Dialect) -> BodyError | None:
    """The failure of a body that is an error; None for any other.

    https://docs.mistral.ai/getting-started/troubleshooting
    """
    if read.text(node, "object") == "error":
        return errors.in_event(node, dialect)
    return None
