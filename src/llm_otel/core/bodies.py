"""End calls whose bodies the SDK did not parse, with what the bodies tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from llm_otel.core import read

if TYPE_CHECKING:
    from llm_otel.core.call import Call


def finish_read(call: Call, kept: list[bytes], drained: bool, error: BaseException | None) -> None:
    """End a call whose caller read raw bytes, with what those tell.

    Args:
        call: The call.
        kept: The bytes as they came over the wire, if the body is not in memory.
        drained: The caller read them to their end.
        error: What reading them ended in.
    """
    response = call.response
    whole = read.get(response, "_content")
    drained = drained or isinstance(whole, bytes)
    body = whole if isinstance(whole, bytes) else _decoded(response, kept)
    streamed = call.streaming or _is_sse(response)
    if streamed:
        _observe_all(call, body)
    if error is not None:
        call.failed(error)
    elif not drained:
        call.left()
    elif streamed:
        call.drained()
    else:
        call.returned(read.json_of(body))


def finish_body(call: Call, response: Any) -> None:
    """End a call whose body the SDK has read and not parsed, with what that tells."""
    body = read.get(response, "_content")
    if isinstance(body, bytes) and _is_sse(response):
        _observe_all(call, body)
        call.drained()
    else:
        call.returned(read.json_of(body))


def _observe_all(call: Call, body: bytes) -> None:
    observers = call.watch()
    for chunk in _sse(body):
        for observer in observers:
            observer.add(chunk)


def _is_sse(response: Any) -> bool:
    """Whether a body is a stream of events: the caller may have asked for one in the body alone."""
    headers = getattr(response, "headers", None) or {}
    return "event-stream" in str(headers.get("content-type", ""))


def _decoded(response: Any, kept: list[bytes]) -> bytes:
    """What the raw bytes say, decompressed by the caller's own httpx."""
    raw = b"".join(kept)
    encoding = response.headers.get("content-encoding") if response is not None else None
    if not raw or not encoding or encoding == "identity":
        return raw
    try:
        twin = type(response)(200, headers={"content-encoding": encoding}, content=raw)
        decoded: bytes = twin.content
        return decoded
    except Exception:  # noqa: BLE001 - cut off in the middle: nothing to learn from it
        return b""


def _sse(body: bytes) -> Iterator[Any]:
    """The JSON objects in server-sent events; what is no JSON object is passed over."""
    for line in body.splitlines():
        if line.startswith(b"data:") and not line.endswith(b"[DONE]"):
            data = read.json_of(line[5:])
            if type(data) is dict:
                yield data
