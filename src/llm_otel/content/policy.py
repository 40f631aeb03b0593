"""When content is captured, where it goes, and what is done to it before."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span

from llm_otel.content.hook import CompletionHook
from llm_otel.content.model import Content
from llm_otel.content.plain import Cleaner, Redact, clip, clip_text

# OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT -> on spans, on events.
MODES = {
    "NO_CONTENT": (False, False),
    "SPAN_ONLY": (True, False),
    "EVENT_ONLY": (False, True),
    "SPAN_AND_EVENT": (True, True),
}


class Policy:
    """The settings of content capture; made once, read by every call.

    Attributes:
        span: Content goes on spans, as JSON strings.
        event: Content goes on `gen_ai.client.inference.operation.details`, structured.
        emit: That event is emitted, with content or without.
        content: Content goes anywhere at all; if not, no content string is built.
        active: There is anything to `record()`: content or the event.
        hook: The completion hook, or None.
    """

    __slots__ = (
        "_max_length", "_redact", "active", "content", "emit", "event", "hook", "span",
    )  # fmt: skip

    def __init__(
        self,
        mode: str,
        max_length: int,
        redact: Redact | None = None,
        hook: CompletionHook | None = None,
        emit_event: bool | None = None,
    ) -> None:
        """Build the policy.

        Args:
            mode: A key of `MODES`, in any case.
            max_length: Characters that a string on a span or event may have; 0 for any number.
            redact: Called with every string of the content; its result takes the string's place.
            hook: Called with every call's content.
            emit_event: Whether the event is emitted; None: when the mode names events.

        Raises:
            ValueError: `mode` is not a key of `MODES`.
        """
        try:
            self.span, on_events = MODES[mode.upper()]
        except KeyError:
            raise ValueError(
                f"content capture mode {mode!r} is not one of {', '.join(MODES)}"
            ) from None
        self.emit = on_events if emit_event is None else emit_event
        self.event = on_events and self.emit
        self.hook = hook
        self.content = self.span or self.event or hook is not None
        self.active = self.content or self.emit
        self._max_length = max_length
        self._redact = redact

    def wants(self, span: Span) -> bool:
        """Whether `record()` has work to do: hooks see every call, sampled or not."""
        return self.hook is not None or (self.active and span.is_recording())

    def clean(self, content: Content) -> Content:
        """`content` redacted, as JSON that every exporter takes, of full length."""
        cleaner = Cleaner(self._redact)
        parts: Any = [
            cleaner.clean(part)
            for part in (content.inputs, content.outputs, content.system, content.tools)
        ]
        return Content(*parts)

    def json(self, value: object) -> object:
        """Any value, redacted, as JSON that every exporter takes, of full length."""
        return Cleaner(self._redact).clean(value)

    def clipped(self, value: object) -> object:
        """Cleaned JSON with every string cut to the permitted length."""
        return clip(value, self._max_length)

    def text(self, value: str) -> str:
        """One string of content, such as an explanation: redacted and cut."""
        return clip_text(Cleaner(self._redact).string(value), self._max_length)

    def quote(self, exc: BaseException | None) -> str | None:
        """An exception's message, where spans may hold content: it quotes prompts."""
        return self.text(str(exc)) if exc is not None and self.span else None
