"""`llm-otel serve`: the receiver and the lake in this process, the dashboard in one of its own.

The dashboard's queries would take Python's lock from the receiver, so it is a process beside it; it
reads the lake as any other reader does.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Final

from llm_otel.errors import ConfigError
from llm_otel.listening import in_url, reachable
from llm_otel.monthly_budgets import NO_BUDGETS, Budgets
from llm_otel.serve.schedule import Digests

if TYPE_CHECKING:
    from llm_otel.lake.maintenance import Retention
    from llm_otel.serve.derived import DerivedMetrics

_logger = logging.getLogger("llm_otel.serve")

_STOP_SECONDS: Final = 5.0
_LOOK_SECONDS: Final = 1.0
_STOPPING: Final = (signal.SIGINT, signal.SIGTERM)
# SIGHUP, which Windows lacks, would end the process otherwise.
_HANDLED: Final = (*_STOPPING, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
_DASHBOARD_SECONDS: Final = 20.0
# Before the dashboard is started again: it may have ended for a reason that lasts.
_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where to listen.

    Attributes:
        host: Address of all three.
        http_port, grpc_port: OTLP; 0 takes a free port.
        dashboard_port: The dashboard; 0 takes a free port, None leaves it out.
        token: What senders and browsers must show; needed unless `host` is this machine itself, or
            trusted.
        trusted: Whoever reaches `host` may send and look: only where nobody else can, as in a
            container whose ports are published on loopback.
        names: What dashboard and receiver are called beside localhost, as by a proxy.
        budgets: What may be spent in a month, for the dashboard.
        alertmanager: URL of the Alertmanager that the dashboard asks what is firing.
        metrics_to: Where OTLP over HTTP is taken, for the metrics of calls that only spans tell of;
            None: nowhere.
    """

    host: str = "127.0.0.1"
    http_port: int = 4318
    grpc_port: int = 4317
    dashboard_port: int | None = 8050
    token: str | None = field(default=None, repr=False)
    trusted: bool = False
    names: tuple[str, ...] = ()
    budgets: Budgets = NO_BUDGETS
    alertmanager: str | None = None
    metrics_to: str | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens.

    Attributes:
        http, grpc: Addresses for OTLP.
        dashboard: Its address; None where there is none.
        flush: Waits until all that was acknowledged can be read.
        unstored: Once it has stopped: the files of the log that hold what is acknowledged and not
            in the tables yet, for the next start.
    """

    http: str
    grpc: str
    dashboard: str | None
    flush: Callable[[], None]
    unstored: Callable[[], list[Path]]


def serve(
    lake: Path,
    places: Places,
    retention: Retention | None,
    digests: Digests | None,
    ready: Callable[[Running], None],
) -> list[Path]:
    """Receive and show until the process is asked to stop (SIGINT, SIGTERM).

    SIGHUP stores at once what was acknowledged, and goes on.

    Args:
        lake: Folder of the lake; made if it is not there.
        places: Where to listen.
        retention: What to keep; None: all.
        digests: What to send when; None: nothing.
        ready: Called once everything answers.

    Returns:
        Files of the log with what could not be stored: none, where all is well.

    Raises:
        ConfigError: A port is taken, another process writes to the lake, or the like.
    """
    with _Signals() as signals:
        with running(lake, places, retention) as local, ExitStack() as more:
            if digests is not None:
                more.enter_context(digests.running(lake))
            ready(local)
            flushing: threading.Thread | None = None
            flush_due = False
            while (number := signals.next(_LOOK_SECONDS)) not in _STOPPING:
                flush_due = flush_due or number is not None
                # Beside this loop, as a disk that is stuck must not hold up the end. One at a time:
                # what is asked meanwhile is done after it.
                if flush_due and not (flushing and flushing.is_alive()):
                    flush_due = False
                    flushing = threading.Thread(target=_flush, args=(local,), daemon=True)
                    flushing.start()
        return local.unstored()


def _flush(local: Running) -> None:
    try:
        local.flush()
    except TimeoutError as error:
        _logger.warning("%s", error)


@contextmanager
def running(lake: Path, places: Places, retention: Retention | None = None) -> Iterator[Running]:
    """Receive and show while the block runs; everything that was acknowledged is stored after it.

    Args, Raises: as `serve`.
    """
    from llm_otel.lake.ingest import Ingest
    from llm_otel.lake.maintenance import KEEP_ALL
    from llm_otel.receiver import Receiver

    with ExitStack() as open_:
        # Started first, as it takes longest.
        has_dashboard = places.dashboard_port is not None
        dashboard = open_.enter_context(_dashboard(lake, places)) if has_dashboard else None
        derived = open_.enter_context(_derived(lake, places.metrics_to))
        watch = derived.add if derived is not None else None
        ingest = open_.enter_context(Ingest(lake, retention=retention or KEEP_ALL, watch=watch))
        receiver = open_.enter_context(
            Receiver(
                ingest,
                host=places.host,
                http_port=places.http_port,
                grpc_port=places.grpc_port,
                token=places.token,
                trusted=places.trusted,
                names=places.names,
            )
        )
        host = in_url(places.host)
        http = f"http://{host}:{receiver.http_port}"
        if dashboard is not None:
            near = in_url(reachable(places.host))
            dashboard.name_receiver(f"http://{near}:{receiver.http_port}")
        yield Running(
            http,
            f"{host}:{receiver.grpc_port}",
            dashboard.wait() if dashboard is not None else None,
            ingest.flush,
            ingest.unstored,
        )


@contextmanager
def _derived(lake: Path, endpoint: str | None) -> Iterator[DerivedMetrics | None]:
    """Counts calls while the block runs; what the lake stores last counts, too."""
    if endpoint is None:
        yield None
        return
    from llm_otel.serve.derived import DerivedMetrics

    derived = DerivedMetrics(lake, endpoint)
    with derived.running():
        yield derived


class _Signals:
    """What the process is asked for while the block runs; the handlers are put back after it."""

    def __init__(self) -> None:
        # Its `put` may interrupt itself, as one signal may the handler of another.
        self._asked: SimpleQueue[int] = SimpleQueue()

    def __enter__(self) -> _Signals:
        self._before = {number: signal.signal(number, self._put) for number in _HANDLED}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def next(self, seconds: float) -> int | None:
        """The next signal; None where none came for so long."""
        try:
            return self._asked.get(timeout=seconds)
        except Empty:
            return None

    def _put(self, number: int, _frame: FrameType | None) -> None:
        self._asked.put(number)


class _Dashboard:
    """The dashboard's process, which prints its address when it answers.

    One that ends by itself, as where memory is short, is started again at the same address.
    """

    def __init__(self, lake: Path, places: Places) -> None:
        self._lake, self._places = lake, places
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._receiver: str | None = None
        self._process = self._start(places.dashboard_port)

    def _start(self, port: int | None) -> subprocess.Popen[str]:
        places = self._places
        process = subprocess.Popen(  # noqa: S603 our own interpreter and module
            [
                *(sys.executable, "-m", "llm_otel.serve.dashboard", str(self._lake)),
                *(places.host, str(port)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # By its standard input: arguments and variables can be read by others.
        options = {
            "token": places.token,
            "trusted": places.trusted,
            "names": places.names,
            "alertmanager": places.alertmanager,
        }
        budgets = places.budgets
        limits = {
            "total": budgets.total,
            "tenants": dict(budgets.tenants),
            "features": dict(budgets.features),
        }
        assert process.stdin is not None
        process.stdin.write(f"{json.dumps({**options, 'budgets': limits})}\n")
        process.stdin.flush()
        self._send_receiver(process)
        return process

    def name_receiver(self, address: str) -> None:
        """Let it say where the receiver of its lake takes OTLP over HTTP."""
        with self._lock:
            self._receiver = address
            self._send_receiver(self._process)

    def _send_receiver(self, process: subprocess.Popen[str]) -> None:
        if self._receiver is None or process.stdin is None:
            return
        # One that has ended is started again, and gets the address then.
        with suppress(BrokenPipeError):
            process.stdin.write(f"{json.dumps({'receiver': self._receiver})}\n")
            process.stdin.flush()

    def wait(self) -> str:
        """Its address, once it answers.

        Raises:
            ConfigError: It ended, or said nothing for a while.
        """
        lines: list[str] = []
        assert self._process.stdout is not None
        reader = threading.Thread(
            target=lambda out: lines.append(out.readline().strip()),
            args=(self._process.stdout,),
            daemon=True,
        )
        reader.start()
        reader.join(_DASHBOARD_SECONDS)
        if not lines or not lines[0]:
            raise ConfigError("The dashboard did not start; --no-dashboard leaves it out.")
        port = int(lines[0].rpartition(":")[2])
        threading.Thread(target=self._keep, args=(port,), daemon=True).start()
        return lines[0]

    def _keep(self, port: int) -> None:
        while True:
            status = self._process.wait()
            if self._stopping.wait(_AGAIN_SECONDS):
                return
            _logger.warning("The dashboard ended with status %d and is started again", status)
            while not self._restarts(port):
                if self._stopping.wait(_AGAIN_SECONDS):
                    return

    def _restarts(self, port: int) -> bool:
        """Start another process, unless the dashboard is to end; False: none could be."""
        with self._lock:
            if self._stopping.is_set():
                return True
            try:
                process = self._start(port)
            except OSError as error:  # no memory or no file descriptor is left
                _logger.debug("The dashboard cannot be started: %s", error)
                return False
            _close_pipes(self._process)
            self._process = process
            return True

    def stop(self) -> None:
        with self._lock:
            self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _close_pipes(self._process)


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What it did not read any more is still in the buffer.
            with suppress(BrokenPipeError):
                pipe.close()


@contextmanager
def _dashboard(lake: Path, places: Places) -> Iterator[_Dashboard]:
    dashboard = _Dashboard(lake, places)
    try:
        yield dashboard
    finally:
        dashboard.stop()
