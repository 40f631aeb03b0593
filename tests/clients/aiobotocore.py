"""aiobotocore, on which aioboto3 stands, as it calls Amazon Bedrock."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from clients import botocore
from clients.spec import ASYNC, Client
from llm_otel.testing import Provider


@asynccontextmanager
async def _make(server: Provider, asynchronous: bool) -> AsyncIterator[Any]:
    config = AioConfig(retries={"max_attempts": 0})
    async with get_session().create_client(**botocore.ARGUMENTS, config=config) as client:
        client.meta.events.register("before-send.bedrock-runtime", botocore.moved(server))
        yield client


async def _read(client: Any, model: str, body: dict[str, Any]) -> Any:
    answer = await botocore.invoke(client, model, body)
    return json.loads(await answer["body"].read())


# aiohttp's reader of a response without a body gives empty chunks for ever.
_ENDLESS = frozenset({"no content"})

CLIENT = Client(
    provider="aws.bedrock", make=_make, ways=botocore.ways(ASYNC, _read, endless=_ENDLESS)
)
