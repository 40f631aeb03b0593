"""xAI's API as a real gRPC server, which answers as a test says, and a proxy that leads to it.

The client believes that it talks to `api.x.ai`: its channel goes through an HTTP proxy.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from xai_sdk.proto import (
    chat_pb2,
    chat_pb2_grpc,
    deferred_pb2,
    image_pb2_grpc,
    usage_pb2,
)

MODEL = "grok-4.3"
HOST = "api.x.ai:443"


def usage(**counts: Any) -> usage_pb2.SamplingUsage:
    """A usage: 1,000 tokens in, of which 400 were cached, 50 out and 30 of reasoning beside."""
    plain = {
        "prompt_tokens": 1000,
        "prompt_text_tokens": 600,
        "cached_prompt_text_tokens": 400,
        "completion_tokens": 50,
        "reasoning_tokens": 30,
        "total_tokens": 1080,
    }
    return usage_pb2.SamplingUsage(**{**plain, **counts})


def completion(
    *texts: str, finish: int = 3, used: Any = None, **more: Any
) -> chat_pb2.GetChatCompletionResponse:
    """A completion of one choice for each text."""
    outputs = [
        chat_pb2.CompletionOutput(
            index=index,
            finish_reason=finish,
            message=chat_pb2.CompletionMessage(content=text, role=chat_pb2.ROLE_ASSISTANT),
        )
        for index, text in enumerate(texts)
    ]
    used = usage() if used is None else used
    return chat_pb2.GetChatCompletionResponse(
        id="c1", model=MODEL, **{"outputs": outputs, "usage": used, **more}
    )


def chunks(whole: chat_pb2.GetChatCompletionResponse) -> list[chat_pb2.GetChatCompletionChunk]:
    """The stream that amounts to a completion: a word a chunk, the usage as far as it has come."""
    common: dict[str, Any] = {"id": whole.id, "model": whole.model}
    result = []
    for output in whole.outputs:
        message = output.message
        words = message.content.split()
        for word in words:
            delta = chat_pb2.Delta(content=word + " ", role=message.role)
            piece = chat_pb2.CompletionOutputChunk(index=output.index, delta=delta)
            partly = usage_pb2.SamplingUsage(
                prompt_tokens=whole.usage.prompt_tokens, completion_tokens=1
            )
            result.append(chat_pb2.GetChatCompletionChunk(outputs=[piece], usage=partly, **common))
        end = chat_pb2.CompletionOutputChunk(
            index=output.index,
            finish_reason=output.finish_reason,
            delta=chat_pb2.Delta(role=message.role, tool_calls=message.tool_calls,
                                 reasoning_content=message.reasoning_content),
        )  # fmt: skip
        result.append(chat_pb2.GetChatCompletionChunk(outputs=[end], usage=whole.usage, **common))
    return result


@dataclass
class Refusal:
    """An answer that is an error; in a stream after `after` chunks of a completion."""

    code: grpc.StatusCode
    details: str = "refused"
    after: int = 0


@dataclass
class Server:
    """What the server was asked, and what it answers next: the last answer stays.

    Attributes:
        proxy: Address of the HTTP proxy that leads here.
        requests: What came in, as messages.
        answers: Completions, images or refusals.
    """

    proxy: str = ""
    requests: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def options(self) -> dict[str, Any]:
        """Arguments for the client."""
        channel = [("grpc.http_proxy", f"http://{self.proxy}"), ("grpc.enable_retries", 0)]
        return {
            "api_key": "test",
            "api_host": HOST,
            "use_insecure_channel": True,
            "channel_options": channel,
        }

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The next answer; an error is raised in the client."""
        self.requests.append(request)
        next_answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(next_answer, Refusal) and not next_answer.after:
            context.abort(next_answer.code, next_answer.details)
        return next_answer

    def stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """The chunks of the next answer."""
        whole = self.answer(request, context)
        if isinstance(whole, Refusal):
            yield from chunks(completion("one two three four"))[: whole.after]
            context.abort(whole.code, whole.details)
        yield from chunks(whole)


class _Chat(chat_pb2_grpc.ChatServicer):
    def __init__(self, server: Server) -> None:
        self._server = server

    def GetCompletion(self, request: Any, context: Any) -> Any:
        return self._server.answer(request, context)

    CompactContext = GetCompletion

    def GetCompletionChunk(self, request: Any, context: Any) -> Iterator[Any]:
        yield from self._server.stream(request, context)

    def StartDeferredCompletion(self, request: Any, context: Any) -> Any:
        self._whole = self._server.answer(request, context)
        self._pending = 1
        return deferred_pb2.StartDeferredResponse(request_id="d1")

    def GetDeferredCompletion(self, request: Any, context: Any) -> Any:
        self._pending -= 1
        if self._pending >= 0:
            return chat_pb2.GetDeferredCompletionResponse(status=deferred_pb2.PENDING)
        return chat_pb2.GetDeferredCompletionResponse(
            status=deferred_pb2.DONE, response=self._whole
        )


class _Image(image_pb2_grpc.ImageServicer):
    def __init__(self, server: Server) -> None:
        self._server = server

    def GenerateImage(self, request: Any, context: Any) -> Any:
        return self._server.answer(request, context)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """A server and its proxy, on ports of their own."""
    workers = futures.ThreadPoolExecutor(8)
    grpc_server = grpc.server(workers)
    chat_pb2_grpc.add_ChatServicer_to_server(_Chat(server), grpc_server)
    image_pb2_grpc.add_ImageServicer_to_server(_Image(server), grpc_server)
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()
    with ExitStack() as stack:
        stack.callback(workers.shutdown)
        stack.callback(lambda: grpc_server.stop(0).wait())
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.proxy = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
        yield server


# ------------------------------------------------------------------ the proxy
def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:  # the test is over
            return
        _start(_tunnel, near, port)


def _tunnel(near: socket.socket, port: int) -> None:
    """What comes after `CONNECT api.x.ai:443` goes to the server, whatever host that names."""
    asked = b""
    while b"\r\n\r\n" not in asked:
        piece = near.recv(65536)
        if not piece:
            return
        asked += piece
    assert asked.startswith(f"CONNECT {HOST} ".encode()), asked
    far = socket.create_connection(("127.0.0.1", port))
    near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    _start(_copy, near, far)
    _copy(far, near)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
    except OSError:
        pass
    for each in (source, target):
        each.close()


def _start(function: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()
