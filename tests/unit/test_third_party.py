"""A package of somebody else's brings a client and its protocol, and nothing of ours changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from programs import run

# An SDK of the common generator's shape, whose provider has bodies like nobody else's.
SDK = """
import json

class Options:
    def __init__(self, body):
        self.method, self.url = "post", "/v7/ponder"
        self.json_data, self.extra_json, self.headers = body, None, {}

class SyncAPIClient:
    _base_url = "https://api.acme.example"

    def request(self, cast_to, options, *, stream=False, stream_cls=None):
        return self._process_response(
            cast_to=cast_to, options=options, response=None, stream=stream, stream_cls=stream_cls)

    def _process_response(self, *, cast_to, options, response, stream, stream_cls):
        return cast_to(options.json_data)

class AsyncAPIClient:
    async def request(self, cast_to, options, *, stream=False, stream_cls=None):
        return await self._process_response()

    async def _process_response(self):
        return None

class Acme(SyncAPIClient):
    def ponder(self, answer, **body):
        return self.request(lambda _: answer, Options(body))
"""
PROTOCOL = '''
"""All that is known of Acme, in one module of somebody else's package."""

from llm_otel.base import read
from llm_otel.clients.spec import ClientSpec
from llm_otel.content.model import Content, message, output_message, text_part
from llm_otel.protocols import errors, usage
from llm_otel.protocols.answer import Answer, BodyError
from llm_otel.protocols.spec import Endpoint, Protocol

USAGE = {
    "in": "input_tokens",
    "recalled": ("cache_read_tokens", "input_tokens"),
    "out": "output_tokens",
    "mused": ("reasoning_tokens", "output_tokens"),
}


class Ponder(Protocol):
    def model(self, request):
        return read.string(read.get(request.body, "mind"))

    def answer(self, node, endpoint, dialect):
        body = read.fields(node)
        result = Answer(read.string(body.get("ticket")), read.string(body.get("mind")),
                        finish_reasons=[{"fin": "stop"}.get(body.get("end"), "error")],
                        usage=usage.usage(node, endpoint))
        trouble = read.string(body.get("trouble"))
        if trouble is not None:
            result.error = BodyError(trouble, errors.by_code(trouble))
        return result

    def request_content(self, body):
        return Content(inputs=[message("user", [text_part(body["riddle"])])])

    def response_content(self, response):
        return [output_message([text_part(read.text(response, "wisdom") or "")], "stop")]


CLIENT = ClientSpec(
    package="acme_ai", supported=">=7", provider="acme",
    endpoints={"post /ponder": Endpoint("chat", Ponder(), USAGE, (("spent",),), in_tokens=True)},
)
'''
PROGRAM = """
import json
import acme_ai
from llm_otel import testing

PRICES = [{"provider": "acme", "model": "deep*", "input": 1, "output": 2}]
good = {"ticket": "t-1", "mind": "deep-1", "end": "fin", "wisdom": "42",
        "spent": {"in": 10, "recalled": 90, "out": 5, "mused": 15}}
bad = {"ticket": "t-2", "mind": "deep-1", "trouble": "overloaded"}
with testing.capture(capture_content="span_only", prices=PRICES) as telemetry:
    acme = acme_ai.Acme()
    acme.ponder(good, mind="deep", riddle="why?")
    acme.ponder(bad, mind="deep", riddle="why?")
value = telemetry.value
print(json.dumps({
    "spans": [[span.name, span.status, dict(span.attributes)] for span in telemetry.spans],
    "tokens": [value("gen_ai.tokens.consumed", token_type=each) for each in ("input", "output")],
    "cached": value("gen_ai.tokens.cached"),
    "reasoning": value("gen_ai.tokens.reasoning"),
    "errors": value("gen_ai.errors", error_type="server"),
    "cost": value("gen_ai.cost.usd"),
    "internal": value("llm_otel.internal_errors"),
}))
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """The two packages as an installer leaves them."""
    package = tmp_path / "acme_ai"
    package.mkdir()
    (package / "_base_client.py").write_text(SDK)
    (package / "__init__.py").write_text("from acme_ai._base_client import Acme\n")
    (tmp_path / "acme_ai_llm_otel.py").write_text(PROTOCOL)
    info = tmp_path / "acme_ai_llm_otel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ai-llm-otel\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[llm_otel.clients]\nacme_ai = acme_ai_llm_otel:CLIENT\n"
    )
    return tmp_path


def test_a_client_and_a_protocol_by_entry_point(acme: Path) -> None:
    """Its calls are spans, metrics, cost and, by opt-in, content, as those of our own clients."""
    ended = run(PROGRAM, acme)
    assert ended.code == 0, "\n".join(ended.log)
    told = json.loads(ended.out)
    (name, status, attributes), failed = told.pop("spans")
    assert (name, status) == ("chat deep", "UNSET")
    expected = {
        "gen_ai.provider.name": "acme",
        "server.address": "api.acme.example",
        "gen_ai.response.id": "t-1",
        "gen_ai.response.model": "deep-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 90,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 15,
    }
    assert {key: attributes.get(key) for key in expected} == expected
    assert "why?" in attributes["gen_ai.input.messages"]
    assert "42" in attributes["gen_ai.output.messages"]
    assert failed[1] == "ERROR"
    assert failed[2]["llm_otel.error.class"] == "server"
    assert told == {
        "tokens": [100, 20],
        "cached": 90,
        "reasoning": 15,
        "errors": 1,
        "cost": pytest.approx((100 * 1 + 20 * 2) / 1e6),
        "internal": 0,
    }
