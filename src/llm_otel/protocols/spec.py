"""What a protocol's file gives: an `Endpoint` for each kind of request, read by a `Protocol`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from llm_otel.protocols import errors, headers, requests
from llm_otel.protocols.answer import Answer

if TYPE_CHECKING:
    from typing import Protocol as Interface

    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect
    from llm_otel.usage import Usage
else:
    Interface = object

# Key in the provider's usage object -> field of `llm_otel.usage.Usage`, nested as the provider's.
# Of two keys for one field the larger number holds. A tuple names a field and the counts that the
# provider reports it beside: the number is added to these (cached tokens beside the input, thoughts
# beside the output).
UsageMap: TypeAlias = Mapping[str, "str | tuple[str, ...] | UsageMap"]


class Request(NamedTuple):
    """A request as a seam sees it, before the SDK sends it. Read, never changed.

    Attributes:
        method: HTTP method in lower case.
        url: Relative to the client's base URL, or absolute.
        body: The JSON body.
        extra: What overrides the body on its way (`extra_body`), or None.
        streaming: The answer comes in chunks.
        raw: The caller reads the HTTP response: `parsed` first by the SDK, or as `bytes`.
        chunk: The class that the SDK makes of a stream's chunk; None: none, or it is not known.
        hides_events: What we alone asked for can be kept from a caller who reads `raw`.
        base_url: Where `url` begins, a text or a URL object; None: the client's `_base_url`.
        provider: Who answers when the host tells nothing better; None: as the client's file says.
    """

    method: str
    url: str
    body: Mapping[str, object]
    extra: object = None
    streaming: bool = False
    raw: Literal["parsed", "bytes"] | None = None
    chunk: object = None
    hides_events: bool = True
    base_url: object = None
    provider: str | None = None


class Observer(Interface):
    """Sees the chunks of a stream."""

    def add(self, chunk: Any) -> None:
        """One chunk, in order."""


class Fold(Observer, Interface):
    """Folds the chunks of one stream into an answer, keeping no content.

    One may have a method `skips(event: bytes) -> bool`, too: whether the data of a server-sent
    event tells by its bytes that it only goes on with what came before. It is not parsed then.
    Where that does not depend on what came before, `Protocol.telling` is the quicker way.

    Attributes:
        hides: Usage was asked for by us: `goes_on` undoes what that did to the chunk.
    """

    hides: bool

    def goes_on(self, chunk: Any) -> bool:
        """Whether a chunk only goes on with what came before; then it has been taken in.

        The quick way for nearly all chunks: anything it raises means False.
        """

    def answer(self) -> Answer:
        """What the chunks told so far."""

    @property
    def ended(self) -> bool:
        """Whether the stream told its end."""


class Estimate(Observer, Interface):
    """Counts what a stream said, where its provider does not."""

    def usage(self, body: Mapping[str, object]) -> Usage:
        """The estimate for a request's body and what was streamed."""


class Accumulator(Observer, Interface):
    """Collects the messages of one stream; made only where content is wanted."""

    def messages(self, unfinished: str = "error") -> list[Message]:
        """The output messages so far.

        Args:
            unfinished: Finish reason of what the stream did not finish: `error`, or `cancelled`
                where it was the caller who left.
        """


class Protocol:
    """How the bodies of one shape are read. What a subclass leaves out is not known of its shape.

    Nothing here raises for what a body holds, or changes it.

    Attributes:
        asks_for_usage: Streams report their usage only when asked to.
        how_to_ask: What a program writes to ask.
        headers: Which response headers tell the request's id and what is left of the limits.
        attributes: Key of the request -> span attributes, and how to read them.
        telling: Finds something in a chunk that does more than go on with what came before. Where
            nobody else reads the JSON of a stream, and no content is wanted, only such chunks are
            read, the first ones and the last. Look for keys with their quotes: within a text these
            have a backslash. None: every chunk is read.
        words_before_status: The provider's word for an error says more than the HTTP status.
    """

    asks_for_usage = False
    how_to_ask = ""
    words_before_status = False
    headers = headers.COMMON
    attributes = requests.ATTRIBUTES
    telling: re.Pattern[bytes] | None = None

    def model(self, request: Request) -> str | None:
        """The model that goes over the wire."""
        return requests.model(request.body, request.extra)

    def request_attributes(self, body: Mapping[str, object]) -> dict[str, Any]:
        """Span attributes of a request; what has not the convention's type is left out."""
        return requests.read_attributes(body, self.attributes)

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:  # noqa: ARG002
        """Everything that a whole response tells: a dict, or the SDK's own object."""
        return Answer()

    def node(self, document: object, response: Any) -> object:  # noqa: ARG002
        """What `answer` reads of a whole HTTP response.

        Args:
            document: The JSON of its body.
            response: The response, of which headers may tell what the body does not.
        """
        return document

    def answer_of_failure(self, exc: BaseException) -> object | None:  # noqa: ARG002
        """The whole response that an exception of the SDK carries, if it does."""
        return None

    def status(self, exc: BaseException) -> int | None:
        """The HTTP status that an exception of the SDK carries."""
        return errors.status(exc)

    def error_kind(self, exc: BaseException, codes: Mapping[str, str]) -> str:
        """The class of what the provider said in an exception, `other` where it said nothing.

        Args:
            exc: The SDK's exception.
            codes: The provider's own error codes, with the class of each.
        """
        return errors.of_exception(exc, codes)

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """A new fold for a stream."""
        return LastChunk(self, endpoint, dialect)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:
        """Add to a usage, or mark it with, what the request alone shows to be billed."""

    # ------------------------------------------------------------------ a stream's usage
    def asking(self, body: Mapping[str, object], chunk: object) -> dict[str, object] | None:  # noqa: ARG002
        """What to add to a request's body so that its stream reports the usage.

        Args:
            body: The body as it goes over the wire.
            chunk: The class that the SDK makes of a chunk; None where that is JSON as it came.

        Returns:
            None where the caller has said what they want, or what comes of it cannot be hidden.
        """
        return None

    def hide(self, chunk: Any) -> bool:  # noqa: ARG002
        """Undo what asking for usage did to a chunk; True for the chunk that it added."""
        return False

    def hide_in_event(self, event: bytes) -> bytes:
        """The same for a server-sent event: it as it would be, empty for one that would not be."""
        return event

    # ------------------------------------------------------------------ by opt-in
    def estimate(self) -> Estimate | None:
        """A new counter for a stream whose provider reports no usage; None: there is none."""
        return None

    def request_content(self, body: object) -> Content:  # noqa: ARG002
        """What a request says."""
        from llm_otel.content.model import Content

        return Content()

    def response_content(self, response: object) -> list[Message]:  # noqa: ARG002
        """The output messages of a whole response, a dict or the SDK's object."""
        return []

    def fetched_content(self, response: object) -> Content:
        """What a response tells by itself that was fetched later."""
        from llm_otel.content.model import Content

        return Content(outputs=self.response_content(response))

    def accumulator(self) -> Accumulator | None:
        """A new accumulator for a stream; None where it has no messages."""
        return None


class LastChunk:
    """A fold for streams whose last chunk is the whole answer."""

    hides = False

    def __init__(self, protocol: Protocol, endpoint: Endpoint, dialect: Dialect) -> None:
        self._read = partial(protocol.answer, endpoint=endpoint, dialect=dialect)
        self._last: object = None

    def goes_on(self, chunk: Any) -> bool:  # noqa: ARG002
        """Never: see `Fold`."""
        return False

    def add(self, chunk: Any) -> None:
        """Take a chunk in."""
        self._last = chunk

    def answer(self) -> Answer:
        """What the last chunk tells."""
        return self._read(self._last)

    @property
    def ended(self) -> bool:
        """Whether there was a chunk: one tells no end."""
        return self._last is not None


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One kind of request.

    Attributes:
        operation: `gen_ai.operation.name` (also the metric label `operation`).
        protocol: How its bodies are read.
        usage: Where the numbers are below `usage_at`.
        usage_at: Ways to the usage object in a response; the first that is there wins.
        usage_beside: Where the numbers are in a response that holds no usage.
        service_tier: The tier that the endpoint is billed at, where responses do not tell.
        billed: Whether a successful response should report usage.
        in_tokens: Billed by the token: a cost without a usage leaves the usage unknown.
        input_only: Billed for its input alone.
        images_out: What it puts out is an image, which its usage need not say.
        bytes_out: Its answer is no JSON.
        polled: The response tells the state of work begun elsewhere (`status`): its usage is
            counted once per id.
        resumable: What was cut off goes on at the provider and can be polled.
        attributes: Span attributes that the endpoint fixes.
        methods: The SDKs' public methods: module below the package, and `Class.method`. Others wrap
            them there.
    """

    operation: str
    protocol: Protocol = field(default_factory=Protocol)
    usage: UsageMap = field(default_factory=dict)
    usage_at: tuple[tuple[str, ...], ...] = (("usage",),)
    usage_beside: UsageMap = field(default_factory=dict)
    service_tier: str | None = None
    billed: bool = True
    in_tokens: bool = False
    input_only: bool = False
    images_out: bool = False
    bytes_out: bool = False
    polled: bool = False
    resumable: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Transcription:
    """Events that tell of the transcription of the user's speech, by the speech's `item_id`.

    Attributes:
        endpoint: What the last event looks like.
        begun: The server has the whole of what was spoken.
        chunk: A piece of the text.
        completed, failed: The last event.
        models: Ways to the transcribing model in a session; the first that is there wins.
    """

    endpoint: Endpoint
    begun: str
    chunk: str
    completed: str
    failed: str
    models: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Socket:
    """One protocol over a WebSocket: a connection that carries many responses.

    The client sends an event that asks for a response, the server says that it begins one, and ends
    it with another. Each event is a JSON object with a `type`.

    Attributes:
        modules: Below the client's package, those that may hold the classes.
        name: `{name}ConnectionManager` and `{name}Connection` are the classes, with `Async` in
            front of the asynchronous ones.
        endpoint: What a response looks like.
        create, created: Events that ask for a response, and that begin one.
        error: The event of an error.
        sessions: Events that tell how the session is set up.
        audio: The event that a client who speaks sends many times a second.
        ends: Events that end a response and carry it.
        shared: Way to what `create` and its `created` have in common.
        body_at: Way to the request's parameters in `create`.
        unlike_http: Parameters that mean something else than in a request over HTTP.
        errors_end_responses: An `error` event is about a response; elsewhere, about any event of
            the client's.
        refusals: Codes of errors that refuse a response.
        transcription: Events of the transcription of the user's speech, if there are any.
    """

    modules: tuple[str, ...]
    name: str
    endpoint: Endpoint
    create: str
    created: str
    error: str
    sessions: frozenset[str]
    audio: str
    ends: frozenset[str]
    shared: tuple[str, ...]
    body_at: tuple[str, ...] = ()
    unlike_http: frozenset[str] = frozenset()
    errors_end_responses: bool = True
    refusals: frozenset[str] = frozenset()
    transcription: Transcription | None = None
