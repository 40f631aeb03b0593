"""Calls that fail after the SDK has sent them again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest
from hostile.harness import QUESTION
from hostile.telemetry import watched

from llm_otel import semconv

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": QUESTION}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sends again at once."""
    for cls in (openai.OpenAI, openai.AsyncOpenAI):
        monkeypatch.setattr(cls, "_calculate_retry_timeout", lambda *_: 0)


def _failing(kind: str) -> Any:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if kind == "timeout":
            raise httpx2.ReadTimeout("slow", request=request)
        if kind == "connection":
            raise httpx2.ConnectError("gone", request=request)
        return httpx2.Response(int(kind), json={"error": {"message": "no"}}, request=request)

    return httpx2.MockTransport(answer)


def _ask(kind: str, how: str, retries: int, headers: dict[str, Any]) -> None:
    http = httpx2.Client(transport=_failing(kind))
    with openai.OpenAI(api_key="x", http_client=http, max_retries=2) as client:
        one = client.with_options(max_retries=retries)
        resource = one.chat.completions
        create = resource.with_raw_response.create if how == "raw" else resource.create
        create(**ASK, stream=how == "stream", extra_headers=headers)


async def _ask_async(kind: str, how: str, retries: int, headers: dict[str, Any]) -> None:
    http = httpx2.AsyncClient(transport=_failing(kind))
    async with openai.AsyncOpenAI(api_key="x", http_client=http, max_retries=2) as client:
        one = client.with_options(max_retries=retries)
        resource = one.chat.completions
        create = resource.with_raw_response.create if how == "raw" else resource.create
        await create(**ASK, stream=how == "stream", extra_headers=headers)


def _resends(kind: str, how: str, retries: int, asynchronous: bool, headers: Any) -> Any:
    def ask() -> None:
        if asynchronous:
            asyncio.run(_ask_async(kind, how, retries, headers))
        else:
            _ask(kind, how, retries, headers)

    with watched() as watch, pytest.raises(openai.APIError):
        ask()
    watch.check(calls=1)
    return (watch.spans.ended[0].attributes or {}).get(semconv.HTTP_RESEND_COUNT)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("how", ["whole", "stream", "raw"])
@pytest.mark.parametrize("kind", ["500", "429", "timeout", "connection"])
def test_resend_count(kind: str, how: str, asynchronous: bool) -> None:
    """Three attempts that all fail were sent again twice."""
    assert _resends(kind, how, 2, asynchronous, {}) == 2


@pytest.mark.parametrize("kind", ["500", "connection", "400"])
def test_not_sent_again(kind: str) -> None:
    """A call that was sent once has no count, whether it may be sent again or not."""
    assert _resends(kind, "whole", 2 if kind == "400" else 0, False, {}) is None


@pytest.mark.parametrize("value", ["many", "", "-1", "9" * 400, openai.Omit()])
def test_a_header_of_the_programs_own(value: Any) -> None:
    """What a program puts in place of the SDK's header breaks nothing."""
    assert _resends("500", "whole", 1, False, {"x-stainless-retry-count": value}) is None
