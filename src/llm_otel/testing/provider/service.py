"""The provider itself: takes a request, finds what to reply, keeps a record."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from types import TracebackType
from typing import Any

from .bill import Bill
from .endpoints import run
from .faults import DAMAGES, FaultPlan, check_fault, retry_headers
from .latency import LatencyProfiles, LatencySetting
from .limits import RateLimit, RateLimiter, Remaining
from .messages import Json, ProtocolError, ReceivedRequest, Reply, ScriptError
from .openai_protocol import REFUSALS
from .protocols import protocol_of
from .state import State
from .wire import Server

Hook = Callable[[ReceivedRequest], Any]

# Statuses that ask the client to come back.
_BUSY = (429, 503, 529)


@dataclass(frozen=True)
class ProviderSettings:
    """How a provider behaves; `provider()` describes each."""

    seed: int = 0
    answer: str | Callable[[Json], str] | None = None
    latency: LatencySetting = None
    faults: Mapping[str, float] = field(default_factory=dict)
    retry_after: float = 0.05
    rate_limit: RateLimit = field(default_factory=RateLimit)
    polls: int = 2
    host: str = "127.0.0.1"
    port: int = 0
    keep: int = 10_000
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        for name, lowest in (("seed", 0), ("polls", 0), ("port", 0), ("keep", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise ValueError(f"{name} must be a whole number from {lowest}, not {value!r}.")
        if not isinstance(self.retry_after, (int, float)) or self.retry_after < 0:
            raise ValueError(f"retry_after must be seconds from 0, not {self.retry_after!r}.")
        if not (self.answer is None or isinstance(self.answer, str) or callable(self.answer)):
            raise ValueError(f"answer must be a text or a function, not {self.answer!r}.")
        if not isinstance(self.rate_limit, RateLimit):
            raise ValueError(f"rate_limit must be a RateLimit, not {self.rate_limit!r}.")  # noqa: TRY004
        if not isinstance(self.faults, Mapping):
            raise ValueError(f"faults must map names to rates, not {self.faults!r}.")  # noqa: TRY004


class Provider:
    """A local provider, made by `provider(...)`, that speaks OpenAI's and other protocols.

    Use it as a context manager, or call `start()` and `close()`. What a hook raises is answered
    with a 500 and raised again when the block ends.

    Attributes:
        url: Base URL for the OpenAI SDK, `/v1` included.
        origin: Scheme, host and port alone: for all other clients.
    """

    url: str
    origin: str

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._requests: deque[ReceivedRequest] = deque(maxlen=settings.keep)
        self._bill: dict[str, Bill] = {}
        self._queue: deque[Reply | str] = deque()
        self._hooks: list[tuple[str, Hook]] = []
        self._errors: list[BaseException] = []
        self._server: Server | None = None
        self._state = State(settings.seed, settings.answer, settings.polls, settings.keep)
        self._limiter = RateLimiter(settings.rate_limit, settings.clock)
        self._seed_choices()

    def _seed_choices(self) -> None:
        seed = self._settings.seed
        # One source each, so that a latency profile does not change which requests fail.
        faults, latency = Random(f"faults {seed}"), Random(f"latency {seed}")  # noqa: S311
        self._faults = FaultPlan(self._settings.faults, faults)
        self._latency = LatencyProfiles(self._settings.latency, latency)

    def start(self) -> Provider:
        """Binds the port and serves in the background."""
        server = Server(self._settings.host, self._settings.port, self._answer, self._errors)
        host, port = server.server_address[:2]
        self.origin = f"http://{host!s}:{port}"
        self.url = self.origin + "/v1"
        self._server = server
        return self

    def close(self) -> None:
        """Stops serving; open connections are dropped."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> Provider:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self._errors:
            raise self._errors[0]

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The requests received so far, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def bill(self) -> dict[str, Bill]:
        """What was used so far, by the model that was asked for.

        Chat, completions, responses and embeddings that were answered without a fault; whoever
        left a stream early is billed all the same.
        """
        with self._lock:
            return dict(self._bill)

    def enqueue(self, *replies: Reply | str) -> None:
        """Has the next requests, whatever they ask, answered by these in this order.

        Args:
            replies: Replies, sent exactly as they are, or names of faults (`FAULTS`).

        Raises:
            ValueError: A name is no fault.
        """
        for reply in replies:
            if not isinstance(reply, Reply):
                check_fault(reply)
        with self._lock:
            self._queue.extend(replies)

    def on(self, path: str, hook: Hook) -> None:
        """Asks `hook` about every request whose route or path matches.

        Args:
            path: E.g. `/v1/chat/completions`; `*` stands for anything.
            hook: Gets the request, may change nothing in it. A `Reply` that it returns is sent as
                it is, any other value as a JSON body with the usual headers; None leaves the
                request to the next hook, and in the end to the provider.
        """
        with self._lock:
            self._hooks.append((path, hook))

    def reset(self) -> None:
        """Forgets requests, queued replies, hooks, errors and state: as if just started."""
        with self._lock:
            self._requests.clear()
            self._bill.clear()
            self._queue.clear()
            self._hooks.clear()
            self._errors.clear()
            self._state.reset()
            self._limiter.reset()
            self._seed_choices()

    def _answer(self, request: ReceivedRequest) -> Reply:
        with self._lock:
            self._requests.append(request)
            scripted = self._queue.popleft() if self._queue else None
            hooks = list(self._hooks)
        try:
            if isinstance(scripted, Reply):
                self._charge(request, scripted)
                return scripted
            for path, hook in hooks if scripted is None else ():
                if fnmatchcase(request.route, path) or fnmatchcase(request.path, path):
                    found = hook(request)
                    if isinstance(found, Reply):
                        self._charge(request, found)
                        return found
                    if found is not None:
                        return self._dressed(request, Reply(body=found), ())
            return self._ordinary(request, scripted or self._faults.draw())
        except Exception as error:  # noqa: BLE001 - raised again when the block ends
            cause = error.__cause__ if isinstance(error, ScriptError) else error
            self._errors.append(cause or error)
            message = f"the provider's script failed: {type(cause).__name__}: {cause}"
            return protocol_of(request).error(500, message, headers={"x-should-retry": "false"})

    def _ordinary(self, request: ReceivedRequest, fault: str | None) -> Reply:
        limits, allowed = self._limiter.take(request.model, (len(request.body) + 3) // 4)
        if not allowed:
            fault = "rate_limit"
        reply = self._refusal(request, fault) if fault in REFUSALS else self._run(request)
        self._latency.apply(request.model, reply)
        reply = self._dressed(request, reply, limits)
        if fault in DAMAGES:
            return DAMAGES[fault](reply, protocol_of(request))
        self._charge(request, reply)
        return reply

    def _charge(self, request: ReceivedRequest, reply: Reply) -> None:
        if reply.usage is not None:
            with self._lock:
                self._bill[request.model] = self._bill.get(request.model, Bill()).plus(reply.usage)

    def _run(self, request: ReceivedRequest) -> Reply:
        answer = protocol_of(request).error
        try:
            return run(request, self._state)
        except ProtocolError as error:
            return answer(error.status, str(error), code=error.code, param=error.param)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # Endpoints read what they need; a value of a wrong type shows only here.
            return answer(400, "The request has a value of a wrong type.")

    def _refusal(self, request: ReceivedRequest, fault: str) -> Reply:
        protocol = protocol_of(request)
        retry = protocol.refusals[fault][0] in _BUSY and fault != "quota"
        headers = retry_headers(self._settings.retry_after) if retry else {}
        return protocol.refusal(fault, headers)

    def _dressed(
        self, request: ReceivedRequest, reply: Reply, limits: tuple[Remaining, ...]
    ) -> Reply:
        """The reply with the headers that its provider sends."""
        protocol = protocol_of(request)
        reply.headers = {
            **protocol.identity_headers(self._state.new_id("req_", 32), request, reply),
            **protocol.limit_headers(limits),
            **reply.headers,
        }
        return reply
