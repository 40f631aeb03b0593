"""Which endpoint a URL belongs to: by its end, in the tables of the protocols."""

from __future__ import annotations

import pytest

from llm_otel.clients.groq import CLIENT as GROQ
from llm_otel.clients.openai import CLIENT
from llm_otel.protocols.openai import CHAT, COMPLETION, OPENAI, RESPONSES
from llm_otel.protocols.paths import Paths
from llm_otel.protocols.spec import Endpoint

SAY, STREAM, INVOKE, ANY, FIXED = (Endpoint(name) for name in ("a", "b", "c", "d", "e"))
TABLE = Paths(
    {
        "post /models/{model}:generateContent": SAY,
        "post /models/{model}:streamGenerateContent": STREAM,
        "post /model/{id}/invoke": INVOKE,
        "get /things/{id}": ANY,
        "get /things/all": FIXED,
        **OPENAI,
    }
)


@pytest.mark.parametrize(
    ("method", "url", "endpoint"),
    [
        ("post", "/chat/completions", CHAT),
        ("post", "chat/completions", CHAT),
        ("post", "/openai/deployments/x/chat/completions?api-version=1", CHAT),
        ("post", "https://gateway.example/a/b/v1/chat/completions", CHAT),
        ("post", "https://api.example/v1/chat/completions#stream", CHAT),
        ("post", "https://chat/completions", COMPLETION),  # of a host
        ("get", "/chat/completions", None),
        ("post", "/chat/completions/x", None),
        ("post", "/responses/compact", RESPONSES),
        ("post", "models/gemini-2.5-pro:generateContent", SAY),
        ("post", "/v1beta/models/a:b:generateContent", SAY),
        ("post", "/v1/projects/p/publishers/google/models/g:streamGenerateContent?alt=sse", STREAM),
        ("post", "/models/gemini:countTokens", None),
        ("post", "/models/generateContent", None),
        ("post", "/model/anthropic.claude-v2%3A1/invoke", INVOKE),
        ("post", "/model/invoke", None),
        ("get", "/v1/things/7", ANY),
        ("get", "/v1/things/all", FIXED),
        ("post", "", None),
        ("post", "https://host.example", None),
    ],
)
def test_endpoint_of_a_url(method: str, url: str, endpoint: Endpoint | None) -> None:
    """The same the first time and from then on."""
    assert TABLE.match(method, url) is endpoint
    assert TABLE.match(method, url) is endpoint


def test_clients_of_one_protocol_share_one_table() -> None:
    """Whatever a client puts in front of the paths."""
    assert CLIENT.match("post", "/chat/completions") is CHAT
    assert GROQ.match("post", "/openai/v1/chat/completions") is CHAT
    assert GROQ.match.__self__ is CLIENT.match.__self__  # type: ignore[attr-defined]


def test_many_urls_do_not_pile_up() -> None:
    """URLs hold ids: what is remembered has a bound."""
    table = Paths(OPENAI)
    for number in range(5000):
        assert table.match("get", f"/responses/resp_{number}") is OPENAI["get /responses/{id}"]
    assert len(table._found) <= 1024 + len(OPENAI)
    assert table.match("post", "/chat/completions") is CHAT
