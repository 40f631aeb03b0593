"""What the tests of streams share."""

from __future__ import annotations

from typing import Any

from tests.conformance.calls import BY_NAME, method_of, reach

KINDS = [name for name in ("chat", "completion", "response") if name in BY_NAME]
HELPERS = [name for name in BY_NAME if name.endswith("helper")]


def start(client: Any, name: str) -> Any:
    """Begin a stream, or make its helper."""
    call = BY_NAME[name]
    stream = {} if name.endswith("helper") else {"stream": True}
    return reach(client, method_of(client, call))(**call.arguments, **stream)


def check(telemetry: Any, finish: str, status: str = "UNSET") -> None:
    """One span with this end, and no call open."""
    span = telemetry.span
    assert (span.status, span.attributes["gen_ai.response.finish_reasons"]) == (status, (finish,))
    assert telemetry.value("gen_ai.requests.active") == 0
    assert telemetry.count("gen_ai.request.duration") == 1
