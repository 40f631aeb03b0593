"""The load of `servers.py`: requests of 512 spans, built before, sent by four clients until killed.

Spans come in traces of three (an agent and two chat calls) with the attributes of the
OpenTelemetry GenAI conventions and of OpenInference both, so that every server finds what it knows:
20 models of known prices, 50 tenants, 10 features, 3 % errors, times over the last week, no message
but a short input on the agent. A request is one of 64 templates with a number of its own in every
id: the number says later whose spans a store holds.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SPANS = 512
CLIENTS = 4
_TEMPLATES = 64
_SPREAD_NS = int(6.9 * 86_400 * 1e9)  # Not quite the week that the pages look at.
_MARK = b"\xf5\xfe\xf6\xff"  # In no UTF-8 text, and as long as the number that takes its place.
# What llm-otel's own library sets of these: all but OpenInference's names.
OWN_NAMES = ("gen_ai.", "server.", "error.", "tenant_id", "feature", "user.", "session.")
_MODELS = (
    *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-4-turbo", "gpt-4"),
    *("gpt-3.5-turbo", "o1", "o1-mini", "o3", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini"),
    *("gpt-5-nano", "o1-pro", "o3-pro", "gpt-5-pro", "gpt-4.5-preview"),
)


def templates(names: Sequence[str] = ("",)) -> list[bytes]:
    """The bodies, with `_MARK` where the number of a request goes.

    Args:
        names: What the keys of attributes begin with that are sent; all by default.
    """
    source = random.Random(1)
    return [_template(source, tuple(names)) for _ in range(_TEMPLATES)]


def _template(source: random.Random, names: tuple[str, ...]) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    fill(group.resource.attributes, {"service.name": "assistant"})
    scope = group.scope_spans.add()
    scope.scope.name = "benchmark"
    now = time.time_ns()
    for number, own in enumerate(source.sample(range(1, 1 << 32), SPANS)):
        span = scope.spans.add(span_id=_MARK + own.to_bytes(4, "big"))
        if number % 3 == 0:
            trace_id, root = _MARK + source.randbytes(12), span.span_id
            start = now - source.randrange(10**10, _SPREAD_NS)
            length = source.randrange(4 * 10**8, 4 * 10**9)
            span.name, span.kind, attributes = "invoke_agent support", 1, _agent(source)
        else:
            span.parent_span_id = root
            attributes = _chat(source)
            span.name, span.kind = f"chat {attributes['gen_ai.request.model']}", 3
            start, length = start + 10**6, length // 3
            span.status.code = 2 if "error.type" in attributes else 0
        span.trace_id, span.start_time_unix_nano = trace_id, start
        span.end_time_unix_nano = start + length
        selection = {key: value for key, value in attributes.items() if key.startswith(names)}
        fill(span.attributes, selection)
    return request.SerializeToString()


def _agent(source: random.Random) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "tenant_id": f"tenant-{source.randrange(50)}",
        "feature": f"feature-{source.randrange(10)}",
        "openinference.span.kind": "AGENT",
        "input.value": "Where is my order?",
        "session.id": f"session-{source.randrange(10_000)}",
    }


def _chat(source: random.Random) -> dict[str, Any]:
    model = source.choice(_MODELS)
    tokens_in, tokens_out = source.randrange(100, 5000), source.randrange(10, 900)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.response.id": f"chatcmpl-{source.randbytes(12).hex()}",
        "gen_ai.response.model": model,
        "server.address": "api.openai.com",
        "server.port": 443,
        "user.hash": f"{source.randrange(1000):064x}",
        "gen_ai.usage.input_tokens": tokens_in,
        "gen_ai.usage.output_tokens": tokens_out,
        "tenant_id": f"tenant-{source.randrange(50)}",
        "feature": f"feature-{source.randrange(10)}",
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.system": "openai",
        "llm.model_name": model,
        "llm.token_count.prompt": tokens_in,
        "llm.token_count.completion": tokens_out,
        "llm.token_count.total": tokens_in + tokens_out,
        **({"error.type": "rate_limit"} if source.random() < 0.03 else {}),
    }


def fill(attributes: Any, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        target = attributes.add(key=key).value
        if isinstance(value, int):
            target.int_value = value
        else:
            target.string_value = value


class Load:
    """Sends from its start until the server is gone or `stop` is set.

    Args:
        bodies: The templates.
        port: Where to.
        headers: Beside the content type.
        backlog: So many spans may be acknowledged and not yet `readable`; then clients wait.
    """

    def __init__(
        self, bodies: Sequence[bytes], port: int, headers: Mapping[str, str], backlog: float
    ) -> None:
        self.acknowledged: set[int] = set()
        self.readable = 0
        self.refused = 0
        self.stop = threading.Event()
        self._bodies, self._port, self._backlog = bodies, port, backlog
        self._headers = {"content-type": "application/x-protobuf", **headers}
        self._number = 0
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    @property
    def spans(self) -> int:
        """Spans acknowledged."""
        return len(self.acknowledged) * SPANS

    def join(self) -> None:
        """Wait for the clients, which end by themselves when the server is gone."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=170)
        while not self.stop.is_set():
            if self.spans - self.readable > self._backlog:
                time.sleep(0.01)
                continue
            with self._lock:
                self._number += 1
                number = self._number
            own = (number | 1 << 28).to_bytes(4, "big")
            body = self._bodies[number % len(self._bodies)].replace(_MARK, own)
            try:
                connection.request("POST", "/v1/traces", body, self._headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 200:
                self.acknowledged.add(number)
            else:
                self.refused += 1
                time.sleep(0.05)


def number(prefix: str) -> int:
    """Which request a span id that begins with `prefix`, eight hexadecimal digits, came in."""
    return int(prefix, 16) & ~(1 << 28)
