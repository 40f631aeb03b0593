"""Family B: the conventions' own metrics, by the released names, the coming ones, or both."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.core.extract import Answer

if TYPE_CHECKING:
    from llm_otel.core.backlog import Ended
    from llm_otel.core.call import Call
    from llm_otel.core.instruments import Instruments
    from llm_otel.usage import Usage


Recorder = Callable[["Instruments", "Ended"], None]

_INFERENCE = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION})
_WITHOUT_TOKENS = frozenset({semconv.FETCH_RESPONSE, semconv.CANCEL_RESPONSE})


def recorders(version: str) -> tuple[Recorder, ...]:
    """What to call at the end of a call for the setting `semconv`."""
    return {"v1.41": (_v141,), "latest": (_latest,), "both": (_v141, _latest)}.get(version, ())


def prepare(ended: Ended, call: Call, answer: Answer, error: str | None) -> None:
    """Have a call's end recorded in this family as well."""
    ended.attributes = attributes(call, answer)
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
        self._instruments = call.runtime.instruments
        self._metrics = _PER_CHUNK.get(call.runtime.settings.semconv, ())
        self._attributes = attributes(call, Answer())
        self._last: float | None = None

    def add(self, chunk: object) -> None:  # noqa: ARG002
        """A chunk came."""
        now = perf_counter()
        if self._last is not None:
            for metric in self._metrics:
                self._instruments.record(metric, now - self._last, self._attributes)
        self._last = now


def attributes(call: Call, answer: Answer) -> dict[str, Any]:
    """The attributes common to the family, kept with the series as they hardly ever change."""
    key = (answer.model, call.server.host, call.server.port)
    found = call.series.b_attributes.get(key)
    if found is None:
        found = _build(call, answer)
        # A provider that invents a model name per answer must not fill the memory.
        if len(call.series.b_attributes) < semconv.MAX_MODELS:
            call.series.b_attributes[key] = found
    return found


def _build(call: Call, answer: Answer) -> dict[str, Any]:
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


def _v141(instruments: Instruments, ended: Ended) -> None:
    common, used, record = ended.attributes, ended.usage, instruments.record
    failed = {**common, semconv.ERROR_TYPE: ended.error_type} if ended.error_type else common
    record(semconv.V141_OPERATION_DURATION, ended.seconds, failed)
    if ended.first_chunk is not None:
        record(semconv.V141_TIME_TO_FIRST_CHUNK, ended.first_chunk, common)
    if used is not None and ended.operation not in _WITHOUT_TOKENS:
        record(
            semconv.V141_TOKEN_USAGE,
            used.input_tokens,
            {**common, semconv.TOKEN_TYPE_B: semconv.INPUT},
        )
        if ended.operation != semconv.EMBEDDINGS:
            record(
                semconv.V141_TOKEN_USAGE,
                used.output_tokens,
                {**common, semconv.TOKEN_TYPE_B: semconv.OUTPUT},
            )


def _latest(instruments: Instruments, ended: Ended) -> None:
    common, used, record = ended.attributes, ended.usage, instruments.record
    failed = {**common, semconv.ERROR_TYPE: ended.error_type} if ended.error_type else common
    if ended.operation == semconv.EMBEDDINGS:
        record(semconv.LATEST_EMBEDDINGS_DURATION, ended.seconds, failed)
        if used is not None:
            record(semconv.LATEST_EMBEDDINGS_INPUT_TOKENS, used.input_tokens, failed)
        return
    if ended.operation not in _INFERENCE:
        return
    record(semconv.LATEST_INFERENCE_DURATION, ended.seconds, failed)
    if ended.first_chunk is not None:
        record(semconv.LATEST_TIME_TO_FIRST_CHUNK, ended.first_chunk, common)
    _latest_tokens(instruments, used, common, failed)


def _latest_tokens(
    instruments: Instruments, used: Usage | None, common: dict[str, Any], failed: dict[str, Any]
) -> None:
    """Totals by modality as counters, and per operation as histograms; 0 and `unknown` where the
    provider reported no usage, as the conventions ask."""
    record = instruments.record
    if used is None:
        unknown = {**common, semconv.TOKEN_MODALITY_B: "unknown"}
        record(semconv.LATEST_INPUT_TOKENS, 0, unknown)
        record(semconv.LATEST_OUTPUT_TOKENS, 0, unknown)
        return
    record(semconv.LATEST_OPERATION_INPUT_TOKENS, used.input_tokens, failed)
    record(semconv.LATEST_OPERATION_OUTPUT_TOKENS, used.output_tokens, failed)
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
            record(metric, amount, {**common, semconv.TOKEN_MODALITY_B: modality})
