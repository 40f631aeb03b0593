"""Bodies with odd values in odd places: the records beside them are always taken."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from lake import random_spans, samples

from llm_otel.lake.decode import (
    METRICS,
    TRACES,
    BadPayload,
    from_json,
    from_protobuf,
    read_protobuf,
    traces,
)
from llm_otel.lake.decode.metrics import Metrics
from llm_otel.lake.decode.series import Series
from llm_otel.lake.refusals import Refusals

ODD: list[Any] = [
    None, True, 5, -1, 2**70, 1.5, float("nan"), float("inf"), "", "x", "\ud83d", [], [None], [5],
    ["\ud83d"], {}, {"a": 1}, {"stringValue": 5}, {"intValue": "9" * 30}, {"doubleValue": "x"},
    {"arrayValue": 5}, {"kvlistValue": {"values": [5, {"key": 5}]}}, "NaN", "1e400", "-5",
]  # fmt: skip
GOOD = samples.spans(samples.CHAT, seed=999_999)
GOOD_ID = GOOD.resource_spans[0].scope_spans[0].spans[0].span_id.hex()


def as_json(node: Any) -> Any:
    """A request as OTLP's JSON has it: ids in hex."""
    if isinstance(node, list):
        return [as_json(each) for each in node]
    if isinstance(node, dict):
        ids = ("traceId", "spanId", "parentSpanId")
        return {
            key: base64.b64decode(value).hex() if key in ids else as_json(value)
            for key, value in node.items()
        }
    return node


def spoilt(node: Any, source: random.Random) -> Any:
    """JSON of which some values are others, or under another key."""
    if source.random() < 0.03:
        return source.choice(ODD)
    if isinstance(node, list):
        return [spoilt(each, source) for each in node]
    if not isinstance(node, dict):
        return node
    keys = list(node)
    if source.random() < 0.02:
        source.shuffle(keys)
    return {key: spoilt(value, source) for key, value in zip(keys, node.values())}


@pytest.mark.parametrize("seed", range(8))
def test_odd_json_costs_no_span_beside_it(seed: int) -> None:
    """Values of every type in every place below the list of the request, and in its keys."""
    source = random.Random(seed)
    good = as_json(MessageToDict(GOOD, use_integers_for_enums=True))["resourceSpans"]
    for body in [*random_spans.own(seed), *random_spans.others(seed, changes=2)]:
        parsed = as_json(MessageToDict(from_protobuf(TRACES, body), use_integers_for_enums=True))
        odd = [spoilt(each, source) for each in parsed.get("resourceSpans", [])]
        text = json.dumps({"resourceSpans": [*odd, *good]})
        request = from_json(TRACES, text.encode())
        _, calls, _ = traces.decode([request.SerializeToString()], pytest.fail)
        assert GOOD_ID in calls["span_id"].to_pylist(), text


@pytest.mark.parametrize("seed", range(4))
def test_odd_json_costs_no_point_beside_it(seed: int) -> None:
    """The same for metrics."""
    source = random.Random(seed)
    start = samples.NOW - 10**9
    kinds = [
        samples.counter(2.0, time_ns=samples.NOW, start_ns=start),
        samples.histogram(1.0, [1, 0, 0], time_ns=samples.NOW, start_ns=start),
        samples.gauge(1, time_ns=samples.NOW),
    ]
    good = samples.counter(3.0, time_ns=samples.NOW, start_ns=start, name="gen_ai.good")
    for request in kinds * 25:
        odd = spoilt(as_json(MessageToDict(request))["resourceMetrics"][0], source)
        (whole,) = as_json(MessageToDict(good))["resourceMetrics"]
        text = json.dumps({"resourceMetrics": [odd, whole]})
        metrics = Metrics(Series(start), Refusals())
        metrics.add(from_json(METRICS, text))
        assert ("gen_ai.good", 3.0) in [(row[1], row[-5]) for row in metrics.rows()], text


@pytest.mark.parametrize("seed", range(4))
def test_odd_bytes_are_read_or_refused_in_one_sentence(seed: int) -> None:
    """Some bytes of a protobuf body are others: no other error, and what is read is decoded."""
    source = random.Random(seed)
    for body in [*random_spans.own(seed), *random_spans.others(seed, changes=2)]:
        changed = bytearray(body)
        for _ in range(3 if body else 0):
            changed[source.randrange(len(changed))] = source.randrange(256)
        try:
            _, kept = read_protobuf(TRACES, bytes(changed))
        except BadPayload as error:
            assert "not a valid protobuf ExportTraceServiceRequest" in str(error)  # noqa: PT017
        else:
            traces.decode([kept], pytest.fail)
