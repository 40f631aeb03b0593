"""Servers that handle SIGTERM themselves: what they recorded arrives, and they end as ever."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from otlp_receiver import OtlpReceiver
from terminated import CALLS, PROGRAM, Running, calls, running

from llm_otel.testing import Provider

INSTRUMENT = "llm_otel.instrument(flush_on_sigterm=True)\n"
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                SHUTDOWN
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    call()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"called"})
"""
QUIET = ASGI.replace("SHUTDOWN", "pass")
FLUSHING = ASGI.replace("SHUTDOWN", "llm_otel.flush()")
WSGI = """
def app(environ, start_response):
    call()
    start_response("200 OK", [])
    return [b"called"]
"""
PYTHON = (sys.executable, "-m")
UVICORN = (*PYTHON, "uvicorn", "program:app", "--port", "0")
GUNICORN = (*PYTHON, "gunicorn", "program:app", "--bind", "127.0.0.1:0", "--workers", "2")
UVICORN_WORKERS = (*GUNICORN, "--worker-class", "uvicorn_worker.UvicornWorker")
ZERO_CODE = (
    "env",
    "LLM_OTEL_FLUSH_ON_SIGTERM=true",
    str(Path(sys.executable).with_name("opentelemetry-instrument")),
)
IN_A_SCRIPT = """
if __name__ == "__main__":
    import uvicorn
    uvicorn.run("program:app", port=0)
"""
HOOK = """
def post_worker_init(worker):
    import llm_otel
    llm_otel.instrument(flush_on_sigterm=True)
"""

# Name to the program, the command, and the exit code, which is the server's own.
SERVERS: dict[str, tuple[str, Sequence[str], int]] = {
    "uvicorn": (INSTRUMENT + QUIET, UVICORN, -signal.SIGTERM),
    "uvicorn from a script": (
        INSTRUMENT + QUIET + IN_A_SCRIPT,
        (sys.executable, "program.py"),
        -signal.SIGTERM,
    ),
    "uvicorn, zero code": (QUIET, (*ZERO_CODE, *UVICORN), -signal.SIGTERM),
    "uvicorn, lifespan": ("llm_otel.instrument()\n" + FLUSHING, UVICORN, -signal.SIGTERM),
    "uvicorn with workers, lifespan": (INSTRUMENT + FLUSHING, (*UVICORN, "--workers", "2"), 0),
    "gunicorn": ("llm_otel.instrument()\n" + WSGI, GUNICORN, 0),
    "gunicorn, threads": (
        "llm_otel.instrument()\n" + WSGI,
        (*GUNICORN, "--worker-class", "gthread", "--threads", "2"),
        0,
    ),
    "gunicorn, preload": ("llm_otel.instrument()\n" + WSGI, (*GUNICORN, "--preload"), 0),
    "gunicorn, uvicorn workers": (INSTRUMENT + QUIET, UVICORN_WORKERS, 0),
    "gunicorn, uvicorn workers, preload, hook": (
        INSTRUMENT + QUIET,
        (*UVICORN_WORKERS, "--preload", "--config", "hook.py"),
        0,
    ),
}


# One of each kind of server, and where most can go wrong; the others run by `make test-all`.
ALWAYS = (
    "uvicorn",
    "uvicorn with workers, lifespan",
    "gunicorn",
    "gunicorn, uvicorn workers, preload, hook",
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.slow) for name in SERVERS],
)
def test_answered_calls_arrive(server: Provider, tmp_path: Path, name: str) -> None:
    """Ten requests, SIGTERM, and all ten are there; the exit code is what it is without us."""
    program, command, code = SERVERS[name]
    (tmp_path / "program.py").write_text(PROGRAM + program)
    (tmp_path / "hook.py").write_text(HOOK)
    with (
        OtlpReceiver() as receiver,
        running(command, tmp_path, receiver, server.url) as started,
    ):
        address = _address(started)
        if name.startswith("uvicorn with workers"):
            started.wait_for("startup complete", 2)
        for _ in range(CALLS):
            with urlopen(address, timeout=30) as answer:
                assert answer.read() == b"called"
        death = started.terminate()
        arrived = calls(receiver)
    assert arrived == (CALLS, CALLS), death
    assert death.code == code, death


def _address(started: Running) -> str:
    """Where a server says that it listens."""
    started.wait_for("http://")
    found = re.search(r"http://127\.0\.0\.1:\d+(?=\D)", started.output)
    assert found, started.output
    return found[0]


CELERY = """
import celery

folders = {"data_folder_in": "messages", "data_folder_out": "messages"}
app = celery.Celery("program", broker="filesystem://")
app.conf.broker_transport_options = folders
app.task(call, name="call")
"""
EXPORTED_BY_A_SIGNAL = """
from celery.signals import worker_process_shutdown

@worker_process_shutdown.connect
def export(**_):
    llm_otel.flush()
"""
SEND = (sys.executable, "-c", "import program; program.app.send_task('call', [5])")


@pytest.mark.parametrize(
    ("program", "pool"),
    [
        pytest.param("llm_otel.instrument()\n" + CELERY, "solo", marks=pytest.mark.slow),
        ("llm_otel.instrument()\n" + CELERY + EXPORTED_BY_A_SIGNAL, "prefork"),
    ],
    ids=["solo", "prefork"],
)
def test_tasks_of_celery(server: Provider, tmp_path: Path, program: str, pool: str) -> None:
    """A warm shutdown exports what the tasks recorded; pool processes need one signal's handler."""
    (tmp_path / "messages").mkdir()
    (tmp_path / "program.py").write_text(PROGRAM + program)
    worker = (*PYTHON, "celery", "-A", "program", "worker", "--pool", pool, "--concurrency", "1",
              "--loglevel", "INFO", "--without-gossip", "--without-mingle")  # fmt: skip
    with OtlpReceiver() as receiver:
        with running(worker, tmp_path, receiver, server.url) as started:
            started.wait_for("ready.")
            for number in range(CALLS // 5):
                with running(SEND, tmp_path, receiver, server.url) as sender:
                    assert sender.process.wait(60) == 0
                started.wait_for("succeeded", number + 1)
            death = started.terminate()
        arrived = calls(receiver)
    assert arrived == (CALLS, CALLS), death
    assert death.code == 0, death
