"""voyageai: embeddings; it has no streams."""

from __future__ import annotations

from collections.abc import Mapping

import requests
import voyageai

from clients import _bodies as bodies
from clients import _urllib3
from clients.spec import WHOLE, Call, Client

_VECTOR = [n / 1024 - 0.5 for n in range(256)]
_WHOLE = bodies.whole(
    {
        "object": "list",
        "data": [{"object": "embedding", "embedding": _VECTOR, "index": 0}],
        "model": "voyage-3.5",
        "usage": {"total_tokens": 28},
    }
)


def _calls() -> Mapping[str, Call]:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _urllib3.Memory(lambda path, content: _WHOLE))
    voyageai.requestssession = session
    client = voyageai.Client(api_key="none")
    return {WHOLE: Call(lambda: client.embed([bodies.QUESTION], model="voyage-3.5"))}


CLIENT = Client(("voyageai",), _calls)
