"""What goes over the wire: a received request and the reply to it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import unquote

Json = dict[str, Any]
Ending = Literal["complete", "cut", "hang", "silence"]


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it came.

    Attributes:
        method: In capitals.
        target: The request target as sent, query included.
        path: The target without its query.
        route: The path in its plain form: what clouds and others have in front or instead is
            folded into `/v1`.
        headers: By lower-case name; repeated ones joined by `, `.
        body: The bytes of the body, decoded from chunked framing only.
    """

    method: str
    target: str
    path: str
    route: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""

    @cached_property
    def json(self) -> Any:
        """The parsed body; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def model(self) -> str:
        """The model that the body or, for clouds, the path names; empty if none does."""
        body = self.json
        if isinstance(body, dict) and isinstance(body.get("model"), str):
            return str(body["model"])
        return model_in_path(self.path) or ""


@dataclass
class Reply:
    """One reply, exactly as it is to be sent.

    Attributes:
        status: The HTTP status.
        headers: Sent as they are; the content type and the framing are added.
        body: Bytes or text sent as they are; anything else is sent as JSON.
        chunks: Sent one write each in chunked framing, instead of `body`. May be lazy: it is
            consumed while sending. An empty chunk sends what is due (the headers) and no data.
        delay: Seconds before the first byte.
        chunk_delay: Seconds before each further chunk.
        ending: `complete`; `cut`: the connection is closed after half of the body, or after the
            chunks without their end mark; `hang`: nothing more comes after the same point, until
            the client leaves or the provider is closed; `silence`: not even the headers come.
        hold: Nothing is sent before this event is set.
        pieces: How many chunks the answer would have as a stream; latency profiles read it.
        usage: What the answer used, if that goes on the provider's bill.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = b""
    chunks: Iterable[bytes] | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    ending: Ending = "complete"
    hold: threading.Event | None = None
    pieces: int = 1
    usage: Json | None = None

    def content(self) -> tuple[bytes, str]:
        """The bytes of the body and their content type."""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json"


class ProtocolError(Exception):
    """A request that the provider refuses, with what it says about it."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class ScriptError(Exception):
    """The user's `answer` raised; its cause is what."""


# Where a path names the model: Azure's deployments, Gemini's models and Vertex AI's publishers,
# Bedrock's models, Hugging Face's.
_MODEL = re.compile(
    r"/openai/deployments/([^/]+)|/v1\w*/(?:.*/)?models/([^/:]+):"
    r"|/model/([^/]+)/(?:invoke|converse)"
    r"|/hf-inference/models/(.+?)(?:/pipeline/.*|/v1/.*|$)"
)
_PREFIXES = re.compile(
    r"(/openai/deployments/[^/]+|/openai|/v1(alpha|beta)?1?|/projects/[^/]+/locations/[^/]+)*(?=/|$)"
)

# Paths that do not end as the plain form does.
# https://docs.anthropic.com/en/api/claude-on-vertex-ai, …/claude-on-amazon-bedrock
_ROUTES = (
    (re.compile(r".*/models/count-tokens:rawPredict$"), "/v1/messages/count_tokens"),
    (re.compile(r".*/publishers/anthropic/models/[^/]+:(rawP|streamRawP)redict$"), "/v1/messages"),
    (
        re.compile(r"/model/[^/]*(?:anthropic|claude)[^/]*/invoke(-with-response-stream)?$"),
        "/v1/messages",
    ),
    # https://huggingface.co/docs/inference-providers, …/text-generation-inference
    (re.compile(r".+/v1/chat/completions$"), "/v1/chat/completions"),
    (re.compile(r"/hf-inference/models/.*/pipeline/feature-extraction$"), "/v1/tgi/features"),
    (re.compile(r"/hf-inference/models/.+$|/$|/generate(_stream)?$"), "/v1/tgi/generate"),
    # https://learn.microsoft.com/azure/ai-foundry/model-inference/reference
    (re.compile(r"/models/embeddings$"), "/v1/embeddings"),
    (re.compile(r"(/models|/v1)/images/embeddings$"), "/v1/images/embeddings"),
    # Mistral's models on Azure and on Vertex AI, whose body tells chat from fill-in-the-middle.
    (re.compile(r"/models/chat/completions$"), "/v1/chat/completions"),
    (re.compile(r"/providers/mistral/azure/ocr$"), "/v1/ocr"),
    (
        re.compile(r".*/publishers/mistralai/models/[^/]+:(rawP|streamRawP)redict$"),
        "/v1/chat/completions",
    ),
)


def model_in_path(path: str) -> str | None:
    """The model or deployment that a path names, if it does."""
    match = _MODEL.match(path)
    return unquote(next(filter(None, match.groups()))) if match else None


def route_of(path: str) -> str:
    """The path folded to its plain form, e.g. `/openai/v1/models` to `/v1/models`."""
    for pattern, route in _ROUTES:
        if pattern.match(path):
            return route
    return "/v1/" + _PREFIXES.sub("", path, count=1).strip("/")
