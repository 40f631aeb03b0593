"""Real exchanges through the clients that have functions of their own: see `tests/clients`.

Those of the generated SDKs are in `test_recordings`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import clients
import pytest
from clients.spec import Client, Recorded
from hostile.harness import drive, each, entered, wait
from hostile.shapes import shape

import llm_otel
from llm_otel.testing import Provider, Reply
from tests.conformance.expected import check_metrics, shown
from tests.conformance.replay import Exchange, load

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"


def _cases() -> Iterator[Any]:
    for name in clients.names():
        client = clients.load(name)
        for recorded in client.recorded:
            for kind in ("sync", "async"):
                label = f"{name}-{recorded.name}-{kind}"
                yield pytest.param(client, recorded, kind == "async", id=label)


async def _played(made: Any, recorded: Recorded, exchange: Exchange) -> Any:
    """What the program sees of an exchange."""
    fails = exchange["status"] >= 400 or recorded.fails(exchange)
    with suppress(Exception) if fails else nullcontext():
        found = await wait(recorded.ask(made, exchange))
        stream = recorded.stream(found, exchange)
        return shape(found if stream is None else [chunk async for chunk in each(stream)])


def _play(
    server: Provider, client: Client, recorded: Recorded, exchanges: list[Exchange], kind: bool
) -> list[Any]:
    async def program() -> list[Any]:
        async with entered(client.make(server, kind)) as made:
            seen = []
            for exchange in exchanges:
                headers = {"content-type": exchange["content_type"] or "application/json"}
                body = exchange["response"].encode()
                server.enqueue(Reply(exchange["status"], headers, body))
                with llm_otel.attribution(session_id=exchange["id"]):
                    seen.append(await _played(made, recorded, exchange))
            return seen

    found: list[Any] = asyncio.run(program()) if kind else drive(program())
    return found


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not on this machine")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(("client", "recorded", "kind"), list(_cases()))
def test_recorded(
    p: Provider, instrumented: Any, client: Client, recorded: Recorded, kind: bool
) -> None:
    """Every exchange is one span with the provider's own facts, and the program sees the same."""
    exchanges = load(RECORDINGS / f"{recorded.name}.jsonl")
    without = _play(p, client, recorded, exchanges, kind)
    telemetry = instrumented()
    seen = _play(p, client, recorded, exchanges, kind)

    assert seen == without
    spans = telemetry.spans
    ids = [each["id"] for each in exchanges]
    assert Counter(span.attributes["session.id"] for span in spans) == Counter(ids)
    by_id = {span.attributes["session.id"]: span for span in spans}
    wanted = {each["id"]: recorded.facts(each) for each in exchanges}
    got = {key: shown(by_id[key].attributes) for key in ids}
    assert {key: (got[key], wanted[key]) for key in ids if got[key] != wanted[key]} == {}
    assert {span.attributes["gen_ai.provider.name"] for span in spans} == {client.provider}
    failed = {key for key in ids if by_id[key].status == "ERROR"}
    assert failed == {key for key in ids if wanted[key].error}
    check_metrics(telemetry, list(wanted.values()))
