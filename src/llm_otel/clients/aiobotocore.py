"""aiobotocore, on which aioboto3 stands: the same as botocore, awaited."""

from __future__ import annotations

from llm_otel.clients.botocore import hook
from llm_otel.clients.spec import ClientSpec
from llm_otel.protocols.bedrock import BEDROCK

CLIENT = ClientSpec(
    package="aiobotocore",
    supported=">=2.13.1,<4",
    provider="aws.bedrock",
    endpoints=BEDROCK,
    hooks=(hook("AioBaseClient._make_api_call", "async"),),
)
