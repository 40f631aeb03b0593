"""boto3, as it calls Amazon Bedrock; what is its own is in tests/conformance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from clients.spec import SYNC, Client, Way
from llm_otel.testing import Provider

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "amazon.nova-lite-v1:0"
LLAMA = "meta.llama3-1-8b-instruct-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"

# The client believes that it calls AWS.
ARGUMENTS: dict[str, Any] = {
    "service_name": "bedrock-runtime",
    "region_name": "us-east-1",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
}
VOLATILE = ("amz-sdk-invocation-id", "authorization", "x-amz-date")
QUESTION = [{"role": "user", "content": [{"text": "Tell me everything."}]}]
TALK: dict[str, Any] = {"messages": QUESTION}


def config(**more: Any) -> Config:
    """Without retries."""
    return Config(retries={"max_attempts": 0}, **more)


def moved(server: Provider) -> Any:
    """A handler of `before-send` by which a request goes to the local provider, without what
    differs from run to run."""

    def move(request: Any, **_: Any) -> None:
        request.url = request.url.replace(HOST, server.origin)
        for name in VOLATILE:  # some exceptions show the request
            del request.headers[name]

    return move


@contextmanager
def _make(server: Provider, asynchronous: bool) -> Iterator[Any]:
    client = boto3.client(**ARGUMENTS, config=config())
    client.meta.events.register("before-send.bedrock-runtime", moved(server))
    try:
        yield client
    finally:
        client.close()


def without_metadata(answer: Any) -> Any:
    """An answer without what differs from run to run, its body as a class."""
    if not isinstance(answer, dict) or "ResponseMetadata" not in answer:
        return answer
    kept = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
    return {key: type(value) if key == "body" else value for key, value in kept.items()}


def invoke(client: Any, model: str, body: dict[str, Any], operation: str = "invoke_model") -> Any:
    """What a program asks by InvokeModel."""
    return getattr(client, operation)(modelId=model, body=json.dumps(body))


def _read(client: Any, model: str, body: dict[str, Any]) -> Any:
    return json.loads(invoke(client, model, body)["body"].read())


LLAMA_ASK = {"prompt": "Tell me everything.", "max_gen_len": 200}
ANTHROPIC_ASK = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Tell me everything."}],
}
STREAM = "invoke_model_with_response_stream"


def ways(
    kind: bool,
    read: Callable[[Any, str, dict[str, Any]], Any],
    endless: frozenset[str] = frozenset(),
) -> tuple[Way, ...]:
    """How programs ask Bedrock.

    Args:
        kind: The kind of the client, `SYNC` or `ASYNC`.
        read: Asks a model by InvokeModel and reads the answer's body.
        endless: Names of broken streams that the library itself never stops to read.
    """
    return (
        Way(
            "converse",
            lambda client: client.converse(modelId=MODEL, **TALK),
            model=MODEL,
            kinds=(kind,),
            shown=without_metadata,
        ),
        Way(
            "converse stream",
            lambda client: client.converse_stream(modelId=NOVA, **TALK),
            streaming=True,
            model=NOVA,
            kinds=(kind,),
            stream=lambda answer: answer["stream"],
            endless=endless,
        ),
        Way(
            "invoke",
            lambda client: read(client, LLAMA, LLAMA_ASK),
            operation="text_completion",
            model=LLAMA,
            kinds=(kind,),
        ),
        Way(
            "invoke stream",
            lambda client: invoke(client, MODEL, ANTHROPIC_ASK, STREAM),
            streaming=True,
            model=MODEL,
            kinds=(kind,),
            stream=lambda answer: answer["body"],
            endless=endless,
        ),
        Way(
            "embeddings",
            lambda client: read(client, TITAN, {"inputText": "Tell me everything."}),
            operation="embeddings",
            model=TITAN,
            kinds=(kind,),
        ),
    )


CLIENT = Client(provider="aws.bedrock", make=_make, ways=ways(SYNC, _read))
