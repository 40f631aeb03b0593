"""Bedrock's runtime: Converse, and the bodies of the model families by InvokeModel.

The URLs are ours: boto knows operations, and InvokeModel has a body by the family of its model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.anthropic.completions import Completions
from llm_otel.protocols.anthropic.messages import USAGE as ANTHROPIC_USAGE
from llm_otel.protocols.anthropic.messages import Messages
from llm_otel.protocols.bedrock import converse, shapes
from llm_otel.protocols.bedrock.converse import Converse
from llm_otel.protocols.bedrock.families import family
from llm_otel.protocols.bedrock.invoke import Invoked
from llm_otel.protocols.bedrock.others import Embeddings, Images, Rerank, Started
from llm_otel.protocols.openai.chat import Chat, Completion
from llm_otel.protocols.openai.usage import USAGE as OPENAI_USAGE
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint, Protocol, UsageMap

# Operations of boto whose requests are seen -> how the path of such a request ends, as nobody
# else's does. CountTokens, ApplyGuardrail and the lists ask no model.
_ENDS: Mapping[str, str] = {
    "Converse": "converse",
    "ConverseStream": "converse-stream",
    "InvokeModel": "invoke",
    "InvokeModelWithResponseStream": "invoke",
    "StartAsyncInvoke": "async-invoke",
    "Rerank": "ranks",
}
STREAMS = frozenset({"ConverseStream", "InvokeModelWithResponseStream"})


def path(operation: str, parameters: Mapping[str, object]) -> str | None:
    """The path by which `BEDROCK` finds what an operation sends; None for one that is not seen.

    Args:
        operation: Its name.
        parameters: Its parameters, as they were given.
    """
    end = _ENDS.get(operation)
    if end != "invoke":
        return end and f"/model/any/{end}"
    model_id = parameters.get("modelId")
    if not isinstance(model_id, str):
        return None
    return f"/model/{family(model_id, parameters.get('body'))}/invoke"


# What InvokeModel sends to over HTTP, whatever stands in front of it.
_INVOKED = re.compile(r"(?P<front>.*)/model/(?P<id>[^/]+)/invoke(?:-with-response-stream)?")
# Rerank has no model in its path, which is that of others' reranks.
_RERANK = re.compile(r"(?P<front>bedrock-agent-runtime\.[^/]+)/rerank")


def over_http(address: str, body: str | bytes) -> tuple[str, Mapping[str, Any]] | None:
    """The path by which `BEDROCK` finds a request over HTTP that is none of boto's, and what boto
    would have been given; None where both are as `BEDROCK` has them.

    Args:
        address: Its URL without the scheme.
        body: As it is sent.
    """
    address = address.partition("?")[0]
    invoked = _INVOKED.fullmatch(address)
    if invoked is not None:
        parameters = {"modelId": unquote(invoked["id"]), "body": body}
        return f"{invoked['front']}{path('InvokeModel', parameters)}", parameters
    ranked = _RERANK.fullmatch(address)
    if ranked is not None:
        return f"{ranked['front']}{path('Rerank', {})}", read.fields(read.json_of(_encoded(body)))
    return None


def _encoded(body: str | bytes) -> bytes:
    return body.encode("utf-8", "replace") if isinstance(body, str) else body


_CONVERSE = Endpoint(semconv.CHAT, Converse(), converse.USAGE, in_tokens=True)


def _text(
    inner: Protocol,
    shape: shapes.Shape | None,
    *going_on: bytes,
    operation: str = semconv.CHAT,
    usage: UsageMap = OPENAI_USAGE,
) -> Endpoint:
    return Endpoint(operation, Invoked(inner, shape, going_on), usage, in_tokens=True)


def _prompted(shape: shapes.Shape, going_on: bytes = b'"stop_reason":null') -> Endpoint:
    return _text(Completion(), shape, going_on, operation=semconv.TEXT_COMPLETION)


_FAMILIES: Mapping[str, Endpoint] = {
    "anthropic": _text(Messages(), None, b'"type":"content_block_delta"', usage=ANTHROPIC_USAGE),
    "anthropic-text": _text(
        Completions(), None, b'"stop_reason":null', operation=semconv.TEXT_COMPLETION, usage={}
    ),
    "nova": _text(
        Converse(), None, b'"contentBlockDelta":', b'"contentBlockStop":', usage=converse.USAGE
    ),
    "titan": _prompted(shapes.TITAN, b'"completionReason":null'),
    "llama": _prompted(shapes.LLAMA),
    "mistral": _text(Chat(), shapes.CHAT, b'"stop_reason":null', b'"finish_reason":null'),
    "mistral-text": _prompted(shapes.MISTRAL),
    "deepseek": _text(Chat(), shapes.CHAT, b'"stop_reason":null', b'"finish_reason":null'),
    "deepseek-text": _prompted(shapes.DEEPSEEK),
    "cohere": _prompted(shapes.COHERE, b'"is_finished":false'),
    "cohere-chat": _text(Chat(), shapes.COHERE_CHAT, b'"is_finished":false'),
    "jurassic": _prompted(shapes.JURASSIC),
    "pegasus": _prompted(shapes.PEGASUS),
    "chat": _text(Chat(), shapes.CHAT, b'"finish_reason":null'),
    "text": _prompted(shapes.DEEPSEEK),
    "embeddings": Endpoint(
        semconv.EMBEDDINGS, Invoked(Embeddings()), in_tokens=True, input_only=True
    ),
    "images": Endpoint(
        semconv.IMAGE_GENERATION,
        Invoked(Images()),
        images_out=True,
        attributes={semconv.OUTPUT_TYPE: "image"},
    ),
    "rerank": Endpoint(semconv.RERANK, Invoked(Rerank()), input_only=True),
}

BEDROCK = Paths(
    {
        "post /model/{id}/converse": _CONVERSE,
        "post /model/{id}/converse-stream": _CONVERSE,
        **{f"post /model/{name}/invoke": endpoint for name, endpoint in _FAMILIES.items()},
        "post /model/{id}/async-invoke": Endpoint(semconv.GENERATE_CONTENT, Started()),
        "post /model/{id}/ranks": Endpoint(semconv.RERANK, Rerank(), input_only=True),
    }
)
