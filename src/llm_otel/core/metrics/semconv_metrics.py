"""The conventions' own metrics, by the released names, the coming ones, or both."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.core.metrics.semconv_points import SemconvPoints

if TYPE_CHECKING:
    from llm_otel.core.metrics.measurement import Measurement, Recorder
    from llm_otel.core.metrics.series import Series
    from llm_otel.core.metrics.table import InstrumentTable
    from llm_otel.core.server import Server
    from llm_otel.usage import Usage

_INFERENCE = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION})
_WITHOUT_TOKENS = frozenset({semconv.FETCH_RESPONSE, semconv.CANCEL_RESPONSE})


def recorders(version: str) -> tuple[Recorder, ...]:
    """What to call at the end of a call for the setting `semconv`."""
    return {"v1.41": (_v141,), "latest": (_latest,), "both": (_v141, _latest)}.get(version, ())


_PER_CHUNK = {
    "v1.41": (semconv.V141_TIME_PER_OUTPUT_CHUNK,),
    "latest": (semconv.LATEST_TIME_PER_OUTPUT_CHUNK,),
    "both": (semconv.V141_TIME_PER_OUTPUT_CHUNK, semconv.LATEST_TIME_PER_OUTPUT_CHUNK),
}


class ChunkTimer:
    """Records the time of each chunk after the first; on request, as it costs a record a chunk.

    Args:
        points: Where the call is recorded.
        version: The setting `semconv`.
    """

    def __init__(self, points: SemconvPoints, version: str) -> None:
        self._metrics = _PER_CHUNK.get(version, ())
        self._points = points
        self._last: float | None = None

    def add(self, chunk: object) -> None:  # noqa: ARG002
        """A chunk came."""
        now = perf_counter()
        if self._last is not None:
            for metric in self._metrics:
                self._points.record(metric, now - self._last)
        self._last = now


def points(
    series: Series, server: Server, model: str | None, table: InstrumentTable
) -> SemconvPoints:
    """Where a call is recorded, kept with its series.

    Args:
        series: The call's.
        server: Who answered.
        model: The model that answered, if that is known.
        table: Whose histograms.
    """
    kept = series.semconv_points
    key = (model, server.host, server.port)
    known = kept.get(key)
    if known is None:
        known = SemconvPoints(table, _attributes(series, server, model, table))
        # A provider that invents a model name per answer must not fill the memory.
        if len(kept) < semconv.MAX_MODELS:
            kept[key] = known
    return known


def _attributes(
    series: Series, server: Server, model: str | None, table: InstrumentTable
) -> dict[str, Any]:
    labels, fold = series.labels, table.labels.fold
    attributes: dict[str, Any] = {
        semconv.OPERATION_NAME: labels[semconv.OPERATION],
        semconv.PROVIDER_NAME: labels[semconv.PROVIDER],
    }
    if labels[semconv.MODEL] != semconv.NONE:
        attributes[semconv.REQUEST_MODEL] = labels[semconv.MODEL]
    if model is not None:
        attributes[semconv.RESPONSE_MODEL] = fold(semconv.RESPONSE_MODEL, model)
    if server.host is not None:
        attributes[semconv.SERVER_ADDRESS] = fold(semconv.SERVER_ADDRESS, server.host)
        attributes[semconv.SERVER_PORT] = server.port
    return table.admitted(semconv.V141_OPERATION_DURATION, attributes)


def _v141(call: Measurement, to: SemconvPoints) -> None:
    used, record = call.usage, to.record
    operation, first_chunk = call.series.labels[semconv.OPERATION], call.first_chunk
    record(semconv.V141_OPERATION_DURATION, call.seconds, semconv.ERROR_TYPE, call.error_type)
    if first_chunk is not None:
        record(semconv.V141_TIME_TO_FIRST_CHUNK, first_chunk)
    if used is not None and operation not in _WITHOUT_TOKENS:
        kind, tokens = semconv.TOKEN_TYPE_B, semconv.V141_TOKEN_USAGE
        record(tokens, used.input_tokens, kind, semconv.INPUT)
        if operation != semconv.EMBEDDINGS:
            record(tokens, used.output_tokens, kind, semconv.OUTPUT)


def _latest(call: Measurement, to: SemconvPoints) -> None:
    used, record = call.usage, to.record
    operation, first_chunk = call.series.labels[semconv.OPERATION], call.first_chunk
    failed = (semconv.ERROR_TYPE, call.error_type)
    if operation == semconv.EMBEDDINGS:
        record(semconv.LATEST_EMBEDDINGS_DURATION, call.seconds, *failed)
        if used is not None:
            record(semconv.LATEST_EMBEDDINGS_INPUT_TOKENS, used.input_tokens, *failed)
        return
    if operation not in _INFERENCE:
        return
    record(semconv.LATEST_INFERENCE_DURATION, call.seconds, *failed)
    if first_chunk is not None:
        record(semconv.LATEST_TIME_TO_FIRST_CHUNK, first_chunk)
    if used is not None:
        record(semconv.LATEST_OPERATION_INPUT_TOKENS, used.input_tokens, *failed)
        record(semconv.LATEST_OPERATION_OUTPUT_TOKENS, used.output_tokens, *failed)
    _latest_totals(to, used)


def _latest_totals(to: SemconvPoints, used: Usage | None) -> None:
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
