"""SIGTERM: with `flush_on_sigterm` what was recorded arrives, and the program dies as ever."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver
from programs import nowhere
from terminated import CALLS, Death, die

from llm_otel.testing import Provider

# What we may add to the end of a program, and what a busy machine may add to that (s).
LONGEST, BUSY = 2, 1.5

INSTRUMENT = "llm_otel.instrument(flush_on_sigterm=True)\n"
TEN_CALLS = f"call({CALLS})\n"

# What the main thread does when the signal comes; the last does not come back to Python.
OCCUPATIONS = {
    "sleeps": "ready(); time.sleep(3600)",
    "computes": "ready()\nwhile True: pass",
    "waits for a lock": "lock = threading.Lock(); lock.acquire(); ready(); lock.acquire()",
    "holds a lock of the log": (
        "import logging\n"
        "handler = logging.StreamHandler(); logging.getLogger().addHandler(handler)\n"
        "handler.acquire(); ready(); time.sleep(3600)"
    ),
    "serves a loop": "import asyncio; ready(); asyncio.run(asyncio.sleep(3600))",
    "is in a call into C": (
        # ready when that call has used the processor, and not a moment before it
        "import hashlib\n"
        "clock = time.pthread_getcpuclockid(threading.get_ident())\n"
        "begun = time.clock_gettime(clock)\n"
        "def watch():\n"
        "    while time.clock_gettime(clock) < begun + 0.1: time.sleep(0.001)\n"
        "    ready()\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "hashlib.pbkdf2_hmac('sha256', b'p', b's', 10**9)"
    ),
}


# One real path of each kind is in every run.
SLOW = pytest.mark.slow

End = Callable[..., Death]


@pytest.fixture
def end(server: Provider, tmp_path: Path) -> Iterator[End]:
    """Runs a program, ends it by SIGTERM when it is ready, and tells how it ended."""
    with OtlpReceiver() as receiver:
        yield lambda program, **more: die(program, tmp_path, receiver, server.url, **more)


@pytest.mark.parametrize(
    "occupation",
    [
        pytest.param(each, marks=[SLOW] if each in ("computes", "serves a loop", "sleeps") else [])
        for each in OCCUPATIONS
    ],
)
def test_what_was_recorded_arrives(end: End, occupation: str) -> None:
    """Whatever the main thread does: every call arrives, and the program dies by the signal."""
    death = end(INSTRUMENT + TEN_CALLS + OCCUPATIONS[occupation])
    assert death.code == -signal.SIGTERM, death
    assert death.calls == (CALLS, CALLS), death
    assert death.seconds < LONGEST + BUSY, death


def test_by_default_signals_are_the_programs_own(end: End) -> None:
    """A library that was not asked to sets no handler."""
    death = end(
        "llm_otel.instrument()\n"
        + TEN_CALLS
        + "print('handler', int(signal.getsignal(15))); ready(); time.sleep(3600)"
    )
    assert death.code == -signal.SIGTERM, death
    assert "handler 0\n" in death.output, death


def test_the_variable_does_the_same(end: End) -> None:
    """As every setting it can be given by the environment."""
    death = end(
        "llm_otel.instrument()\n" + TEN_CALLS + "ready(); time.sleep(3600)",
        LLM_OTEL_FLUSH_ON_SIGTERM="true",
    )
    assert (death.code, death.calls) == (-signal.SIGTERM, (CALLS, CALLS)), death


@pytest.mark.parametrize(
    ("first", "way"),
    [
        ("the program", "sys.exit(7)"),
        ("llm-otel", "os._exit(7)"),
        pytest.param("the program", "os._exit(7)", marks=SLOW),
        pytest.param("llm-otel", "sys.exit(7)", marks=SLOW),
    ],
)
def test_a_handler_of_the_program_is_kept(end: End, first: str, way: str) -> None:
    """Set before or after ours it runs, alone, and its exit code is the program's."""
    handler = (
        "def mine(*_):\n"
        f"    print('mine'); sys.stdout.flush(); {way}\n"
        "signal.signal(signal.SIGTERM, mine)\n"
    )
    order = handler + INSTRUMENT if first == "the program" else INSTRUMENT + handler
    death = end(
        order + TEN_CALLS + "assert signal.getsignal(15) is mine; ready(); time.sleep(3600)",
    )
    assert death.code == 7, death
    assert death.output.count("mine") == 1, death
    if way == "sys.exit(7)":
        assert death.calls == (CALLS, CALLS), death


def test_flush_in_a_handler_of_the_program(end: End) -> None:
    """A handler that ends without atexit handlers can export before."""
    death = end(
        "llm_otel.instrument()\n"
        "signal.signal(15, lambda *_: os._exit(3 if llm_otel.flush() else 4))\n"
        + TEN_CALLS
        + "ready(); time.sleep(3600)",
    )
    assert (death.code, death.calls) == (3, (CALLS, CALLS)), death


def test_a_program_that_ignores_the_signal_lives(end: End) -> None:
    """SIG_IGN is a decision of the program."""
    death = end(
        "signal.signal(15, signal.SIG_IGN)\n"
        + INSTRUMENT
        + "assert signal.getsignal(15) is signal.SIG_IGN; os.kill(os.getpid(), 15)\n"
        "ready(); os._exit(5)",
    )
    assert death.code == 5, death


@pytest.mark.parametrize(
    "endpoint",
    ["hangs", pytest.param("refuses", marks=SLOW), pytest.param("absent", marks=SLOW)],
)
def test_a_receiver_that_does_not_take_it(server: Provider, tmp_path: Path, endpoint: str) -> None:
    """The end is delayed by at most 2 s, and is the same."""
    with OtlpReceiver(500, hangs=endpoint == "hangs") as receiver:
        death = die(
            INSTRUMENT + "call(); ready(); time.sleep(3600)",
            tmp_path,
            receiver,
            server.url,
            **({"OTEL_EXPORTER_OTLP_ENDPOINT": nowhere()} if endpoint == "absent" else {}),
        )
    assert death.code == -signal.SIGTERM, death
    assert death.seconds < LONGEST + BUSY, death
    assert "Traceback" not in death.output, death
    assert death.output.count("cannot export telemetry") == 1, death


def test_an_sdk_of_the_program_is_flushed(end: End) -> None:
    """What the program exports by providers of its own arrives as well."""
    death = end(
        """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
"""
        + INSTRUMENT
        + TEN_CALLS
        + "ready(); time.sleep(3600)"
    )
    assert (death.code, death.calls[0]) == (-signal.SIGTERM, CALLS), death


def test_a_stream_under_way_arrives(end: End) -> None:
    """A call that the signal interrupts is exported as cancelled."""
    death = end(
        INSTRUMENT + "stream = client.chat.completions.create(model='gpt-4o-mini', stream=True,\n"
        "    messages=[{'role': 'user', 'content': 'Hi'}])\n"
        "next(stream); ready(); time.sleep(3600)",
    )
    assert (death.code, death.calls) == (-signal.SIGTERM, (1, 1)), death


def test_children_end_as_themselves(end: End) -> None:
    """Children killed at once never take their parent with them, and export what they recorded."""
    death = end(
        INSTRUMENT
        + """
call()
for _ in range(40):
    child = os.fork()
    if not child:
        time.sleep(3600)
    os.kill(child, 15)
    assert os.waitpid(child, 0)[1] == 15
reading, writing = os.pipe()
child = os.fork()
if not child:
    call(2)
    os.write(writing, b"done")
    time.sleep(3600)
os.read(reading, 4)
os.kill(child, 15)
assert os.waitpid(child, 0)[1] == 15
ready()
time.sleep(3600)
"""
    )
    assert (death.code, death.calls) == (-signal.SIGTERM, (3, 3)), death


def test_a_pool_of_processes(end: End) -> None:
    """`multiprocessing` ends the workers of a pool by SIGTERM: what they recorded arrives."""
    death = end(
        "import multiprocessing\n"
        + INSTRUMENT
        + "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        f"    pool.map(call, [1] * {CALLS})\n"
        "ready(); time.sleep(3600)",
    )
    assert (death.code, death.calls) == (-signal.SIGTERM, (CALLS, CALLS)), death


def test_other_programs_get_the_default_action(end: End) -> None:
    """What the program starts knows nothing of our handler, and has none of our files open."""
    death = end(
        INSTRUMENT + "import subprocess\n"
        "code = 'import os, signal; print(int(signal.getsignal(15)), '\n"
        "code += 'os.listdir(\"/proc/self/fd\"))'\n"
        "for preexec in (None, lambda: None):\n"
        "    print(subprocess.run([sys.executable, '-c', code], close_fds=False,\n"
        "        preexec_fn=preexec, capture_output=True, text=True).stdout)\n"
        "sleeper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "sleeper.terminate(); assert sleeper.wait() == -15\n"
        "ready(); time.sleep(3600)",
    )
    assert death.code == -signal.SIGTERM, death
    assert death.output.count("0 ['0', '1', '2', '3']") == 2, death


def test_a_handler_in_c_is_kept(end: End) -> None:
    """A library's handler, which Python's `getsignal()` calls the default action, is left alone."""
    death = end(
        "import faulthandler; faulthandler.register(15, chain=True)\n"
        + INSTRUMENT
        + "ready(); time.sleep(3600)",
    )
    assert death.code == -signal.SIGTERM, death
    assert "most recent call first" in death.output, death


def test_a_daemon_closes_every_file(end: End, tmp_path: Path) -> None:
    """Our pipe is closed with them: the program lives, its files stay its own, calls arrive."""
    theirs = tmp_path / "theirs"
    death = end(
        INSTRUMENT
        + """
(thread,) = [each for each in threading.enumerate() if each.name == "llm-otel-sigterm"]
os.closerange(3, 256)
thread.join(30)
assert not thread.is_alive()
files = [open("theirs", "a") for _ in range(40)]
child = os.fork()
if not child:
    time.sleep(3600)
os.kill(child, 15)
assert os.waitpid(child, 0)[1] == 15
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], api_key="test")
"""
        + TEN_CALLS
        + "ready(); time.sleep(3600)",
    )
    assert (death.code, death.calls) == (-signal.SIGTERM, (CALLS, CALLS)), death
    assert theirs.read_bytes() == b""


@pytest.mark.parametrize("reset", ["uninstrument", "a server"])
def test_reset(end: End, reset: str) -> None:
    """`uninstrument()` gives the default action back; a further `instrument()` takes all again."""
    undo = {
        "uninstrument": "llm_otel.uninstrument()",
        "a server": "signal.signal(15, signal.SIG_DFL)",
    }
    death = end(
        INSTRUMENT
        + f"{undo[reset]}\nassert signal.getsignal(15) is signal.SIG_DFL\n"
        + INSTRUMENT
        + TEN_CALLS
        + OCCUPATIONS["is in a call into C"],
    )
    assert (death.code, death.calls) == (-signal.SIGTERM, (CALLS, CALLS)), death
    assert death.seconds < LONGEST + BUSY, death


GEVENT = "from gevent import monkey; monkey.patch_all()\n" + INSTRUMENT
IN_A_THREAD = """
def work():
    llm_otel.instrument(flush_on_sigterm=True)

thread = threading.Thread(target=work); thread.start(); thread.join()
"""


@pytest.mark.parametrize(
    ("program", "why"),
    [(IN_A_THREAD, "instrument() was not called in the main thread"), (GEVENT, "gevent's")],
    ids=["a thread", "gevent"],
)
def test_where_it_cannot_be_done_one_line_says_so(end: End, program: str, why: str) -> None:
    """Neither a handler outside the main thread, nor a thread where gevent has none."""
    if program is GEVENT:
        pytest.importorskip("gevent")
    death = end(
        "import logging; logging.basicConfig()\n"
        + program
        + "assert signal.getsignal(15) is signal.SIG_DFL; ready(); time.sleep(3600)"
    )
    assert death.code == -signal.SIGTERM, death
    assert death.output.count("flush_on_sigterm does nothing") == 1, death
    assert why in death.output, death


def test_the_first_process_of_a_container(end: End) -> None:
    """The kernel spares it the default action: it ends with 143, not after a kill."""
    unshare = shutil.which("unshare")
    alone = [unshare or "unshare", "--pid", "--fork", "--kill-child"]
    if unshare is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine makes no namespace of processes")
    death = end(
        "import subprocess\n"
        "if os.getpid() != 1:\n"
        f"    started = subprocess.Popen({alone!r} + [sys.executable, __file__])\n"
        "    def end(*_):\n"
        "        children = f'/proc/{started.pid}/task/{started.pid}/children'\n"
        "        os.kill(int(open(children).read()), 15)\n"
        "        os._exit(started.wait())\n"
        "    signal.signal(15, end)\n"
        "    time.sleep(3600)\n" + INSTRUMENT + TEN_CALLS + "ready(); time.sleep(3600)",
    )
    assert (death.code, death.calls) == (128 + signal.SIGTERM, (CALLS, CALLS)), death
