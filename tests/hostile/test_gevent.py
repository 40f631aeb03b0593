"""Programs on gevent, whose greenlets stand for threads: they end as quietly as without us."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from otlp_receiver import OtlpReceiver
from programs import nowhere, run

from llm_otel.testing import Provider

pytest.importorskip("gevent")

PROGRAM = """
import gevent, openai, socket
import llm_otel

llm_otel.instrument(providers={{"127.0.0.1": "openai"}})
client = openai.OpenAI(base_url={url!r}, api_key="test")
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen()
silent = openai.OpenAI(base_url=f"http://127.0.0.1:{{listening.getsockname()[1]}}/v1", api_key="x")
ASK = dict(model="gpt-4o", messages=[dict(role="user", content="Hi")])
began = []

def chat():
    client.chat.completions.create(**ASK)
    began.append("chat")

def left():
    next(client.chat.completions.create(**ASK, stream=True))
    began.append("left")

def waiting():
    began.append("waiting")
    silent.chat.completions.create(**ASK)

def streaming():
    with client.chat.completions.create(**ASK, stream=True) as stream:
        for _ in stream:
            began.append("streaming")
            gevent.sleep(3600)

jobs = [gevent.spawn(job) for job in (chat, left, waiting, waiting, streaming, streaming)]
while len(began) < len(jobs):
    gevent.sleep(0.01)
jobs[2].kill()
jobs[4].kill()
kept = client.chat.completions.create(**ASK, stream=True)
next(kept)
print([job.dead for job in jobs])
"""
FIRST = "from gevent import monkey\nmonkey.patch_all()\n"


@pytest.mark.parametrize("receiver", ["takes", "refuses", "hangs", "absent"])
def test_a_program_on_gevent_ends_without_a_traceback(server: Provider, receiver: str) -> None:
    """Greenlets done, killed, at work and waiting: one line of ours at the most, none of others."""
    server.reset()
    with ExitStack() as stack:
        if receiver == "absent":
            endpoint = nowhere()
        else:
            hangs, status = receiver == "hangs", 200 if receiver == "takes" else 500
            endpoint = stack.enter_context(OtlpReceiver(status, hangs=hangs)).endpoint
        ended = run(
            PROGRAM.format(url=server.url),
            first=FIRST,
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        )
    assert (ended.code, ended.out.split()) == (
        0, ["[True,", "True,", "True,", "False,", "True,", "False]"]
    ), ended  # fmt: skip
    others = [line for line in ended.log if "llm-otel cannot export telemetry" not in line]
    assert others == []
    assert len(ended.log) == (receiver != "takes"), ended.log
