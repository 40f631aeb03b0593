"""Calls that fail after the SDK has sent them again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from hostile.sdks import SDKS, Sdk, ask, raw
from hostile.telemetry import watched

from llm_otel import semconv


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sends again at once."""
    for sdk in SDKS:
        for cls in sdk.clients:
            monkeypatch.setattr(cls, "_calculate_retry_timeout", lambda *_: 0)


def _failing(kind: str) -> Any:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if kind == "timeout":
            raise httpx2.ReadTimeout("slow", request=request)
        if kind == "connection":
            raise httpx2.ConnectError("gone", request=request)
        return httpx2.Response(int(kind), json={"error": {"message": "no"}}, request=request)

    return httpx2.MockTransport(answer)


def _ask(sdk: Sdk, kind: str, how: str, retries: int, headers: dict[str, Any]) -> None:
    http = httpx2.Client(transport=_failing(kind))
    with sdk.clients[0](api_key="x", http_client=http, max_retries=2) as client:
        one = client.with_options(max_retries=retries)
        send = raw if how == "raw" else ask
        send(one, stream=how == "stream", extra_headers=headers)


async def _ask_async(sdk: Sdk, kind: str, how: str, retries: int, headers: dict[str, Any]) -> None:
    http = httpx2.AsyncClient(transport=_failing(kind))
    async with sdk.clients[1](api_key="x", http_client=http, max_retries=2) as client:
        one = client.with_options(max_retries=retries)
        send = raw if how == "raw" else ask
        await send(one, stream=how == "stream", extra_headers=headers)


def _resends(sdk: Sdk, kind: str, how: str, retries: int, asynchronous: bool, headers: Any) -> Any:
    def call() -> None:
        if asynchronous:
            asyncio.run(_ask_async(sdk, kind, how, retries, headers))
        else:
            _ask(sdk, kind, how, retries, headers)

    with watched() as watch, pytest.raises(sdk.module.APIError):
        call()
    watch.check(calls=1)
    return (watch.spans.ended[0].attributes or {}).get(semconv.HTTP_RESEND_COUNT)


sdks = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)


@sdks
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("how", ["whole", "stream", "raw"])
@pytest.mark.parametrize("kind", ["500", "429", "timeout", "connection"])
def test_resend_count(sdk: Sdk, kind: str, how: str, asynchronous: bool) -> None:
    """Three attempts that all fail were sent again twice."""
    assert _resends(sdk, kind, how, 2, asynchronous, {}) == 2


@sdks
@pytest.mark.parametrize("kind", ["500", "connection", "400"])
def test_not_sent_again(sdk: Sdk, kind: str) -> None:
    """A call that was sent once has no count, whether it may be sent again or not."""
    assert _resends(sdk, kind, "whole", 2 if kind == "400" else 0, False, {}) is None


@sdks
@pytest.mark.parametrize("value", ["many", "", "-1", "9" * 400, None])
def test_a_header_of_the_programs_own(sdk: Sdk, value: Any) -> None:
    """What a program puts in place of the SDK's header breaks nothing."""
    value = sdk.module.Omit() if value is None else value
    assert _resends(sdk, "500", "whole", 1, False, {"x-stainless-retry-count": value}) is None
