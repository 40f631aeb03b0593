"""xAI's gRPC protocol: what each method of its services is."""

from __future__ import annotations

from llm_otel import semconv
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint
from llm_otel.protocols.xai.answers import USAGE, Chats, Images

CHAT = Endpoint(semconv.CHAT, Chats(), USAGE, in_tokens=True)
IMAGE = Endpoint(
    semconv.IMAGE_GENERATION,
    Images(),
    USAGE,
    images_out=True,
    attributes={semconv.OUTPUT_TYPE: "image"},
)

# https://github.com/xai-org/xai-proto
XAI = Paths(
    {
        "post /xai_api.Chat/GetCompletion": CHAT,
        "post /xai_api.Chat/GetCompletionChunk": CHAT,
        "post /xai_api.Chat/StartDeferredCompletion": CHAT,
        "post /xai_api.Chat/CompactContext": CHAT,
        "post /xai_api.Image/GenerateImage": IMAGE,
    }
)
