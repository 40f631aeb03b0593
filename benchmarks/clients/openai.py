"""openai: chat completions, as `workloads.py` has them."""

from __future__ import annotations

from collections.abc import Mapping

import workloads

from clients.spec import STREAM, WHOLE, Call, Client


def _calls() -> Mapping[str, Call]:
    calls = workloads.calls()
    return {WHOLE: calls["chat"], STREAM: calls["stream"]}


CLIENT = Client(("openai",), _calls)
