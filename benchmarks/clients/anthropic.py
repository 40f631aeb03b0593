"""anthropic: messages, as `workloads.py` has them."""

from __future__ import annotations

from collections.abc import Mapping

import workloads

from clients.spec import STREAM, WHOLE, Call, Client


def _calls() -> Mapping[str, Call]:
    calls = workloads.calls()
    return {WHOLE: calls["messages"], STREAM: calls["message stream"]}


CLIENT = Client(("anthropic",), _calls)
