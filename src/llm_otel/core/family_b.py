"""Family B: the conventions' own metrics, by the released names, the coming ones, or both."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.core.sums import NO_EXEMPLAR
from llm_otel.protocols.answer import Answer

if TYPE_CHECKING:
    from llm_otel.base.otel_internals import Point
    from llm_otel.core.backlog import Ended
    from llm_otel.core.call import Call
    from llm_otel.core.instruments import Instruments
    from llm_otel.usage import Usage


Recorder = Callable[["Ended"], None]


class Family:
    """Where calls of one kind are counted in this family: their common attributes, and points with
    one attribute more.

    Args:
        instruments: Whose histograms.
        attributes: Common to all; never changed.
    """

    __slots__ = ("_instruments", "_points", "attributes")

    def __init__(self, instruments: Instruments, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self._instruments = instruments
        self._points: dict[tuple[object, ...], Point] = {}

    def record(
        self, metric: semconv.Metric, value: float, name: str = "", extra: str | None = None
    ) -> None:
        """Record into a histogram.

        Args:
            metric: Which.
            value: What.
            name: The one attribute more.
            extra: Its value; None for no such attribute.
        """
        key = (metric, extra)
        found = self._points.get(key)
        if found is None:
            more = {} if extra is None else {name: extra}
            found = self._instruments.point(metric, {**self.attributes, **more})
            # Types of errors are the application's: they must not fill the memory.
            if len(self._points) < semconv.MAX_COMBINATIONS:
                self._points[key] = found
        found.record(value, NO_EXEMPLAR)

    def add(self, metric: semconv.Metric, amount: int, modality: str) -> None:
        """Add to a counter of tokens by their modality."""
        attributes = {**self.attributes, semconv.TOKEN_MODALITY_B: modality}
        self._instruments.add(metric, amount, attributes)


_INFERENCE = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION})
_WITHOUT_TOKENS = frozenset({semconv.FETCH_RESPONSE, semconv.CANCEL_RESPONSE})


def recorders(version: str) -> tuple[Recorder, ...]:
    """What to call at the end of a call for the setting `semconv`."""
    return {"v1.41": (_v141,), "latest": (_latest,), "both": (_v141, _latest)}.get(version, ())


def prepare(ended: Ended, call: Call, answer: Answer, error: str | None) -> None:
    """Have a call's end recorded in this family as well."""
    ended.family = family(call, answer)
    ended.operation = call.endpoint.operation
    ended.usage = answer.usage
    ended.error_type = error
    ended.recorders = call.runtime.family_b


_PER_CHUNK = {
    "v1.41": (semconv.V141_TIME_PER_OUTPUT_CHUNK,),
    "latest": (semconv.LATEST_TIME_PER_OUTPUT_CHUNK,),
    "both": (semconv.V141_TIME_PER_OUTPUT_CHUNK, semconv.LATEST_TIME_PER_OUTPUT_CHUNK),
}


class ChunkTimer:
    """Records the time of each chunk after the first; on request, as it costs a record a chunk."""

    def __init__(self, call: Call) -> None:
        self._metrics = _PER_CHUNK.get(call.runtime.settings.semconv, ())
        self._family = family(call, Answer())
        self._last: float | None = None

    def add(self, chunk: object) -> None:  # noqa: ARG002
        """A chunk came."""
        now = perf_counter()
        if self._last is not None:
            for metric in self._metrics:
                self._family.record(metric, now - self._last)
        self._last = now


def family(call: Call, answer: Answer) -> Family:
    """Where a call is counted, kept with its series."""
    kept = call.series.families
    key = (answer.model, call.server.host, call.server.port)
    found = kept.get(key)
    if found is None:
        found = Family(call.runtime.instruments, _attributes(call, answer))
        # A provider that invents a model name per answer must not fill the memory.
        if len(kept) < semconv.MAX_MODELS:
            kept[key] = found
    return found


def _attributes(call: Call, answer: Answer) -> dict[str, Any]:
    labels = call.series.labels
    fold = call.runtime.instruments.labels.fold
    found: dict[str, Any] = {
        semconv.OPERATION_NAME: labels[semconv.OPERATION],
        semconv.PROVIDER_NAME: labels[semconv.PROVIDER],
    }
    if labels[semconv.MODEL] != semconv.NONE:
        found[semconv.REQUEST_MODEL] = labels[semconv.MODEL]
    if answer.model is not None:
        found[semconv.RESPONSE_MODEL] = fold(semconv.RESPONSE_MODEL, answer.model)
    if call.server.host is not None:
        found[semconv.SERVER_ADDRESS] = fold(semconv.SERVER_ADDRESS, call.server.host)
        found[semconv.SERVER_PORT] = call.server.port
    return call.runtime.instruments.admitted(semconv.V141_OPERATION_DURATION, found)


def _v141(ended: Ended) -> None:
    used, record = ended.usage, ended.family.record
    record(semconv.V141_OPERATION_DURATION, ended.seconds, semconv.ERROR_TYPE, ended.error_type)
    if ended.first_chunk is not None:
        record(semconv.V141_TIME_TO_FIRST_CHUNK, ended.first_chunk)
    if used is not None and ended.operation not in _WITHOUT_TOKENS:
        kind, tokens = semconv.TOKEN_TYPE_B, semconv.V141_TOKEN_USAGE
        record(tokens, used.input_tokens, kind, semconv.INPUT)
        if ended.operation != semconv.EMBEDDINGS:
            record(tokens, used.output_tokens, kind, semconv.OUTPUT)


def _latest(ended: Ended) -> None:
    used, record = ended.usage, ended.family.record
    failed = (semconv.ERROR_TYPE, ended.error_type)
    if ended.operation == semconv.EMBEDDINGS:
        record(semconv.LATEST_EMBEDDINGS_DURATION, ended.seconds, *failed)
        if used is not None:
            record(semconv.LATEST_EMBEDDINGS_INPUT_TOKENS, used.input_tokens, *failed)
        return
    if ended.operation not in _INFERENCE:
        return
    record(semconv.LATEST_INFERENCE_DURATION, ended.seconds, *failed)
    if ended.first_chunk is not None:
        record(semconv.LATEST_TIME_TO_FIRST_CHUNK, ended.first_chunk)
    if used is not None:
        record(semconv.LATEST_OPERATION_INPUT_TOKENS, used.input_tokens, *failed)
        record(semconv.LATEST_OPERATION_OUTPUT_TOKENS, used.output_tokens, *failed)
    _latest_totals(ended.family, used)


def _latest_totals(to: Family, used: Usage | None) -> None:
    """Totals by modality; 0 and `unknown` where the provider reported no usage, as the conventions
    ask."""
    if used is None:
        to.add(semconv.LATEST_INPUT_TOKENS, 0, "unknown")
        to.add(semconv.LATEST_OUTPUT_TOKENS, 0, "unknown")
        return
    other_input = used.audio_input_tokens + used.image_input_tokens
    other_output = used.audio_output_tokens + used.image_output_tokens
    other_read = used.audio_cache_read_tokens + used.image_cache_read_tokens
    for metric, modality, amount in (
        (semconv.LATEST_INPUT_TOKENS, "text", used.input_tokens - other_input),
        (semconv.LATEST_INPUT_TOKENS, "audio", used.audio_input_tokens),
        (semconv.LATEST_INPUT_TOKENS, "image", used.image_input_tokens),
        (semconv.LATEST_OUTPUT_TOKENS, "text", used.output_tokens - other_output),
        (semconv.LATEST_OUTPUT_TOKENS, "audio", used.audio_output_tokens),
        (semconv.LATEST_OUTPUT_TOKENS, "image", used.image_output_tokens),
        (semconv.LATEST_CACHE_READ_TOKENS, "text", used.cache_read_tokens - other_read),
        (semconv.LATEST_CACHE_READ_TOKENS, "audio", used.audio_cache_read_tokens),
        (semconv.LATEST_CACHE_READ_TOKENS, "image", used.image_cache_read_tokens),
        (semconv.LATEST_CACHE_WRITE_TOKENS, "text", used.cache_write_tokens),
        (semconv.LATEST_REASONING_TOKENS, "text", used.reasoning_tokens),
    ):
        if amount > 0:
            to.add(metric, amount, modality)
