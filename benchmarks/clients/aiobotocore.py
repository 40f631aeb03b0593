"""aiobotocore: Converse of Amazon Bedrock, asynchronously."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.session import get_session
from botocore.config import Config

from clients import botocore
from clients._httpx import Body
from clients.spec import STREAM, WHOLE, Call, Client


class _Raw:
    """What aiobotocore reads of a response of aiohttp."""

    def __init__(self, body: Body) -> None:
        self._pieces = body.pieces
        self.content = self

    async def read(self) -> bytes:
        return b"".join(self._pieces)

    async def iter_chunks(self) -> AsyncIterator[tuple[bytes, bool]]:
        for piece in self._pieces:
            yield piece, True

    async def iter_any(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece

    def close(self) -> None:
        pass


async def _in_memory(request: Any, **_: Any) -> AioAWSResponse:
    body = botocore.body_of(request.url)
    return AioAWSResponse(request.url, 200, body.headers, _Raw(body))


def _calls() -> Mapping[str, Call]:
    client: Any = None

    async def connected() -> Any:
        nonlocal client
        if client is None:
            client = (
                await get_session()
                .create_client(**botocore.ARGUMENTS, config=Config(retries={"max_attempts": 0}))
                .__aenter__()
            )
            client.meta.events.register("before-send.bedrock-runtime", _in_memory)
        return client

    async def whole() -> Any:
        return await (await connected()).converse(**botocore.REQUEST)

    async def stream() -> Any:
        answer = await (await connected()).converse_stream(**botocore.REQUEST)
        return [event async for event in answer["stream"]]

    return {WHOLE: Call(whole, True), STREAM: Call(stream, True)}


CLIENT = Client(("aiobotocore", "botocore"), _calls)
