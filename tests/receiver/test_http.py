"""OTLP over HTTP, by real clients on a real port."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from lake import samples
from lake.test_ingest import count, wait
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

import llm_otel.lake
from llm_otel.errors import ConfigError
from llm_otel.lake.ingest import Ingest, Limits
from llm_otel.lake.maintenance import Retention
from llm_otel.receiver import Receiver

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
BODY = samples.spans(samples.CHAT).SerializeToString()

Post = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    """A lake's writer."""
    with Ingest(tmp_path) as ingest:
        yield ingest


@pytest.fixture
def post(ingest: Ingest) -> Iterator[Post]:
    """Send a body to a receiver; gives status, headers and body of the answer."""
    with Receiver(ingest, http_port=0, grpc_port=None) as receiver:
        yield poster(receiver)


def poster(receiver: Receiver) -> Post:
    """A client of the receiver."""

    def post(
        body: bytes, headers: dict[str, str] = PROTOBUF, path: str = "/v1/traces",
        method: str = "POST",
    ) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
        assert receiver.http_port is not None
        connection = http.client.HTTPConnection("127.0.0.1", receiver.http_port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read()
        finally:
            connection.close()

    return post


def hexed(request: Any) -> dict[str, Any]:
    """A request as OTLP's JSON has it: ids in hex."""
    import base64

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(each) for each in node]
        if isinstance(node, dict):
            return {
                key: base64.b64decode(value).hex() if key in ("traceId", "spanId") else walk(value)
                for key, value in node.items()
            }
        return node

    walked: dict[str, Any] = walk(MessageToDict(request, use_integers_for_enums=True))
    return walked


def test_every_signal_is_taken(post: Post, ingest: Ingest, tmp_path: Path) -> None:
    """Traces, metrics and logs, each answered in the form it came in."""
    start = samples.NOW - 10**9
    score = {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": 1.0}
    requests = {
        "/v1/traces": samples.spans(samples.CHAT),
        "/v1/metrics": samples.counter(2.0, time_ns=samples.NOW, start_ns=start),
        "/v1/logs": samples.event("gen_ai.evaluation.result", score),
    }
    for path, request in requests.items():
        status, headers, body = post(request.SerializeToString(), path=path)
        assert (status, headers["content-type"], body) == (200, "application/x-protobuf", b"")
    ingest.flush()
    for table in ("calls", "spans", "metrics_hourly", "scores"):
        assert count(tmp_path, table) == 1, table


def test_json_gives_the_same_rows(post: Post, ingest: Ingest, tmp_path: Path) -> None:
    """Ids in hex, enums as numbers, 64-bit integers as text: as the specification says."""
    request = samples.spans(samples.CHAT, seed=1)
    status, headers, body = post(json.dumps(hexed(request)).encode(), JSON)
    assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", {})
    post(request.SerializeToString())
    ingest.flush()
    assert count(tmp_path) == 1  # the same ids: the second was a resend
    row = llm_otel.lake.open(tmp_path).calls().project("trace_id, model, input_tokens").fetchall()
    trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    assert row == [(trace_id, "gpt-4o", 1000)]


def _raw_deflate(body: bytes) -> bytes:
    """Deflate without a header, as some senders understand the word."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", _raw_deflate),
        ("identity", bytes),
    ],
)
def test_compressed_bodies_are_taken(
    post: Post, ingest: Ingest, tmp_path: Path, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    """gzip, and deflate with and without the header that many leave out."""
    headers = {**PROTOBUF, "content-encoding": encoding}
    assert post(compress(BODY), headers)[0] == 200
    ingest.flush()
    assert count(tmp_path) == 1


HALVES = [samples.spans(samples.CHAT, seed=seed).SerializeToString() for seed in (1, 2)]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", _raw_deflate)],
)
@pytest.mark.parametrize("cut", [0, 1, 30])
def test_every_member_of_a_body_is_taken(
    post: Post, ingest: Ingest, tmp_path: Path, encoding: str,
    compress: Callable[[bytes], bytes], cut: int,
) -> None:  # fmt: skip
    """Members follow one another, as where a file was appended to; the border may be anywhere."""
    body = HALVES[0] + HALVES[1]
    first = len(HALVES[0]) + cut
    packed = compress(body[:first]) + compress(b"") + compress(body[first:])
    assert post(packed, {**PROTOBUF, "content-encoding": encoding})[0] == 200
    ingest.flush()
    assert count(tmp_path) == 2


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f\x8b", b"\x00", gzip.compress(BODY)[:-4]])
@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_other_bytes_behind_a_body_are_refused(
    post: Post, ingest: Ingest, tmp_path: Path, tail: bytes, encoding: str,
    compress: Callable[[bytes], bytes],
) -> None:  # fmt: skip
    """No 200 for a part of what was sent."""
    answered, _, answer = post(compress(BODY) + tail, {**PROTOBUF, "content-encoding": encoding})
    assert (answered, f"not valid {encoding}" in Status.FromString(answer).message) == (400, True)
    ingest.flush()
    assert count(tmp_path) == 0


def test_many_empty_members_take_no_time(post: Post) -> None:
    """A sender cannot keep a processor busy with a body of nothing."""
    began = time.monotonic()
    answered, _, answer = post(
        gzip.compress(b"") * 1_000_000, {**PROTOBUF, "content-encoding": "gzip"}
    )
    assert (answered, b"members" in answer) == (400, True)
    assert time.monotonic() - began < 10


BAD = {
    "no protobuf": (b"\xff\xff\xff", PROTOBUF, 400, "not a valid protobuf ExportTraceServ"),
    "no JSON": (b"{", JSON, 400, "not valid JSON"),
    "JSON of another kind": (b"[]", JSON, 400, "not a JSON object"),
    "JSON with a wrong field": (b'{"resourceSpans": 3}', JSON, 400, "not a valid JSON Export"),
    "no gzip": (b"plain", {**PROTOBUF, "content-encoding": "gzip"}, 400, "not valid gzip"),
    "half a gzip": (
        gzip.compress(BODY)[:-12], {**PROTOBUF, "content-encoding": "gzip"}, 400, "ends too early",
    ),
    "an unknown encoding": (BODY, {**PROTOBUF, "content-encoding": "br"}, 415, "'br'"),
    "text": (BODY, {"content-type": "text/plain"}, 415, "send application/x-protobuf or"),
    "no type": (BODY, {}, 415, "content type is ''"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_told_why(post: Post, case: str) -> None:
    """The status of the specification, and a google.rpc.Status with one reason."""
    body, headers, status, reason = BAD[case]
    answered, answer_headers, answer = post(body, headers)
    assert answered == status
    if headers.get("content-type") == "application/json":
        assert reason in json.loads(answer)["message"]
        assert answer_headers["content-type"] == "application/json"
    else:
        assert reason in Status.FromString(answer).message
    assert post(BODY)[0] == 200, "the next request is taken"


def test_other_paths_and_methods(post: Post) -> None:
    """404 and 405, no CORS, and a health page."""
    assert post(BODY, path="/v1/trace")[0] == 404
    status, headers, _ = post(b"", {}, method="GET")
    assert (status, headers["allow"]) == (405, "POST")
    preflight = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    status, headers, _ = post(b"", preflight, method="OPTIONS")
    assert status == 405
    assert not [name for name in headers if name.startswith("access-control")]
    assert post(b"", {}, path="/health", method="GET")[0] == 200


def test_a_body_beyond_the_limit_is_refused(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its length, by what comes, and by what it decompresses to."""
    from llm_otel.receiver import http as module

    monkeypatch.setattr(module, "LARGEST_BODY", 1 << 20)
    zeros = bytes(2 << 20)
    assert post(zeros)[0] == 413
    status, _, body = post(gzip.compress(zeros), {**PROTOBUF, "content-encoding": "gzip"})
    assert status == 413
    assert "1 MiB" in Status.FromString(body).message
    assert post(BODY)[0] == 200


def chunks(body: bytes, size: int = 100) -> bytes:
    """A body in chunks, as clients send that do not know its length."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_a_body_in_chunks_is_taken(ingest: Ingest, tmp_path: Path) -> None:
    """As JavaScript's exporter sends; the connection goes on, and ends after broken chunks."""
    with Receiver(ingest, http_port=0, grpc_port=None) as receiver:
        head = (
            b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/x-protobuf\r\n"
        )
        with socket.create_connection(("127.0.0.1", receiver.http_port or 0), 10) as connection:
            answers = connection.makefile("rb")
            for _ in range(2):
                connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks(BODY))
                assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
                while answers.readline().strip():
                    pass
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
            rest = answers.read()
            assert rest.startswith(b"HTTP/1.1 400")
            assert b"not valid chunks" in rest
            answers.close()
    ingest.flush()
    assert count(tmp_path) == 1


def test_closing_does_not_wait_for_silent_clients(ingest: Ingest) -> None:
    """A connection that is kept open is closed, and takes nothing more."""
    receiver = Receiver(ingest, http_port=0, grpc_port=None)
    with socket.create_connection(("127.0.0.1", receiver.http_port or 0), 10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(1000)
        began = time.monotonic()
        receiver.close()
        assert time.monotonic() - began < 4
        assert connection.recv(1) == b""


def test_spans_without_ids_are_counted_as_rejected(post: Post) -> None:
    """The rest of the request is taken."""
    request = samples.spans(samples.CHAT, samples.CHAT)
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    status, _, body = post(request.SerializeToString())
    partial = ExportTraceServiceResponse.FromString(body).partial_success
    assert (status, partial.rejected_spans) == (200, 1)
    assert "no valid trace id" in partial.error_message


GOOD = hexed(samples.spans(samples.CHAT, seed=1))["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


def beside_a_good_one(**wrong: Any) -> bytes:
    """JSON of a good span and of one with other fields, which may stand in it as raw JSON."""
    raw = {name: value for name, value in wrong.items() if isinstance(value, RawJson)}
    # of another trace: two spans that tell of one answer are one call
    span = {**GOOD, "spanId": "b7ad6b7169203331", "traceId": "5b" * 16, **wrong}
    for name in raw:
        span[name] = f"raw {name}"
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [GOOD, span]}]}]})
    for name, value in raw.items():
        body = body.replace(f'"raw {name}"', value)
    return body.encode("latin-1")


class RawJson(str):
    """Text that goes into a body as it is."""


def attribute(value: str) -> RawJson:
    """The attributes of a call, one of which has a value in raw JSON."""
    return RawJson(f'{json.dumps(GOOD["attributes"])[:-1]}, {{"key": "note", "value": {value}}}]')


DEEP = '{"arrayValue": {"values": [' * 5000 + '{"stringValue": "x"}' + "]}}" * 5000

ODD: dict[str, tuple[RawJson | Any, str, Any]] = {
    "half an emoji": (attribute(r'{"stringValue": "cut \ud83d"}'), "note", "cut \ufffd"),
    "bytes that are no UTF-8": (attribute('{"stringValue": "caf\xe9"}'), "note", "caf\ufffd"),
    "a raw control character": (attribute('{"stringValue": "a\nb"}'), "note", "a\nb"),
    "NaN": (attribute('{"doubleValue": NaN}'), "note", "NaN"),
    "an endless number": (attribute('{"doubleValue": 1e999}'), "note", "Infinity"),
    "an integer of 70 bits": (attribute(f'{{"intValue": "{2**70}"}}'), "note", str(2**70)),
    "an integer of 5000 digits": (attribute(f'{{"intValue": {"9" * 5000}}}'), "note", "9" * 5000),
    "an integer with a fraction": (attribute('{"intValue": 1.5}'), "note", "1.5"),
    "a number in the place of a text": (attribute('{"stringValue": 5}'), "note", "5"),
    "a bare value": (attribute("5"), "note", 5),
    "two values": (attribute('{"stringValue": "a", "intValue": 1}'), "note", "a"),
    "deep nesting": (attribute(DEEP), "gen_ai.request.model", "gpt-4o"),
    "a list of null": (attribute('{"arrayValue": {"values": [null]}}'), "note", [None]),
    "an unknown kind": ({"kind": "client"}, "gen_ai.request.model", "gpt-4o"),
    "a kind that is a list": ({"kind": [3]}, "gen_ai.request.model", "gpt-4o"),
    "a text in the place of a status": ({"status": "ok"}, "gen_ai.request.model", "gpt-4o"),
    "an end that is no time": ({"endTimeUnixNano": "now"}, "gen_ai.request.model", "gpt-4o"),
    "an event that is a number": ({"events": [3, None]}, "gen_ai.request.model", "gpt-4o"),
    "a parent that is not hex": ({"parentSpanId": "root"}, "gen_ai.request.model", "gpt-4o"),
}


@pytest.mark.parametrize("case", ODD)
def test_one_odd_value_in_json_costs_no_span(
    post: Post, ingest: Ingest, tmp_path: Path, case: str
) -> None:
    """It is mended or left out; both spans are calls with their usage."""
    wrong, name, kept = ODD[case]
    fields = {"attributes": wrong} if isinstance(wrong, RawJson) else wrong
    assert post(beside_a_good_one(**fields), JSON)[0] == 200
    ingest.flush()
    lake = llm_otel.lake.open(tmp_path)
    assert lake.sql("SELECT sum(input_tokens), sum(cost_usd) FROM calls").fetchall() == [
        (2000, pytest.approx(0.007))
    ]
    found = lake.sql("SELECT attributes FROM spans").fetchall()
    assert kept in [json.loads(text).get(name) for (text,) in found]


def test_a_span_whose_id_is_not_hex_is_rejected_alone(post: Post, ingest: Ingest) -> None:
    """The one beside it is taken."""
    status, _, body = post(beside_a_good_one(spanId="xyz"), JSON)
    assert (status, json.loads(body)["partialSuccess"]["rejectedSpans"]) == (200, "1")
    assert "no valid trace id" in json.loads(body)["partialSuccess"]["errorMessage"]
    ingest.flush()
    assert count(ingest.writer.path, "calls") == 1


def framed(number: int, content: bytes) -> bytes:
    """A field of protobuf with a length."""
    length, encoded = len(content), bytearray()
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *encoded, length]) + content


def test_texts_that_are_no_utf8_in_protobuf_cost_no_span(
    post: Post, ingest: Ingest, tmp_path: Path
) -> None:
    """In an attribute, in a column, and in the resource."""
    notes = {"note": "NOTE-1 ", "tenant_id": "NOTE-2 "}
    request = samples.spans({**samples.CHAT, **notes}, samples.CHAT, resource={"a": "NOTE-3 "})
    body = request.SerializeToString().replace(b"NOTE-", b"\xe2\x82NOT")
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(body)
    assert post(body)[0] == 200
    ingest.flush()
    lake = llm_otel.lake.open(tmp_path)
    found = "attributes ->> 'note', resource ->> 'a', tenant_id"
    rows = lake.sql(f"SELECT {found} FROM spans ORDER BY tenant_id").fetchall()
    a = "\ufffdNOT3 "
    assert rows == [(None, a, "acme"), ("\ufffdNOT1 ", a, "\ufffdNOT2 ")]
    assert lake.sql("SELECT sum(input_tokens) FROM calls").fetchall() == [(2000,)]


def test_deep_nesting_in_protobuf_costs_no_span(post: Post, ingest: Ingest, tmp_path: Path) -> None:
    """Deeper than protobuf reads: the value is cut, its span and the others are stored."""
    value = framed(1, b"x")
    for _ in range(2000):
        value = framed(5, framed(1, value))
    (span,) = samples.spans(samples.CHAT, seed=2).resource_spans[0].scope_spans[0].spans
    deep = span.SerializeToString() + framed(9, framed(1, b"deep") + framed(2, value))
    body = BODY + framed(1, framed(2, framed(2, deep)))
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(body)
    assert post(body)[0] == 200
    ingest.flush()
    lake = llm_otel.lake.open(tmp_path)
    found = lake.sql("SELECT attributes ->> 'deep' FROM spans ORDER BY 1 NULLS LAST").fetchall()
    assert "nested too deeply" in found[0][0]
    assert found[1:] == [(None,)]
    assert lake.sql("SELECT sum(input_tokens) FROM calls").fetchall() == [(2000,)]


def test_a_damaged_span_costs_no_other(post: Post, ingest: Ingest, tmp_path: Path) -> None:
    """What stands before the damage is kept."""
    request = samples.spans({**samples.CHAT, "note": "DAMAGE"}, samples.CHAT)
    body = request.SerializeToString().replace(b"\x0a\x06DAMAGE", b"\x0a\x7fDAMAGE")
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(body)
    assert post(body)[0] == 200
    ingest.flush()
    assert count(tmp_path, "calls") == 2


@pytest.mark.parametrize(
    ("time_ns", "reason"),
    [
        (4070908800 * 10**9, "more than a day ahead"),
        (2**63 + 5, "more than a day ahead"),
        (samples.NOW + 2 * 86400 * 10**9, "more than a day ahead"),
        (samples.NOW // 1000, "older than what is kept here, which begins at 2010-01-01"),
        (samples.NOW // 10**9, "older than what is kept here"),
    ],
    ids=("2099", "beyond 64 bits", "in two days", "microseconds", "seconds"),
)
@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_wrong_times_are_rejected_with_the_reason(
    post: Post, ingest: Ingest, tmp_path: Path, signal: str, time_ns: int, reason: str
) -> None:
    """2099, 1970, microseconds and seconds in the place of nanoseconds; the rest is taken."""
    score = {"gen_ai.evaluation.name": "x", "gen_ai.evaluation.score.value": 1.0}
    start = samples.NOW - 10**9
    make: dict[str, Callable[[int], Any]] = {
        "traces": lambda at: samples.spans(samples.CHAT, seed=at % 1000, time_ns=at),
        "metrics": lambda at: samples.counter(2.0, time_ns=at, start_ns=start),
        "logs": lambda at: samples.event("gen_ai.evaluation.result", score, time_ns=at),
    }
    request = make[signal](time_ns)
    request.MergeFrom(make[signal](samples.NOW))
    status, _, body = post(request.SerializeToString(), path=f"/v1/{signal}")
    responses = {
        "traces": (ExportTraceServiceResponse, "rejected_spans", "spans"),
        "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "metrics_hourly"),
        "logs": (ExportLogsServiceResponse, "rejected_log_records", "scores"),
    }
    response, field, table = responses[signal]
    partial = response.FromString(body).partial_success  # type: ignore[attr-defined]
    assert (status, getattr(partial, field)) == (200, 1)
    assert reason in partial.error_message
    ingest.flush()
    assert count(tmp_path, table) == 1
    health = json.loads(post(b"", {}, path="/health", method="GET")[2])
    assert list(health["refused"].values()) == [1]


def test_what_the_retention_would_delete_is_rejected(tmp_path: Path) -> None:
    """A span of the last day that is kept is taken."""
    day = 86400 * 10**9
    with (
        Ingest(tmp_path, retention=Retention(days=3)) as ingest,
        Receiver(ingest, http_port=0, grpc_port=None) as receiver,
    ):
        rejected = []
        for seed, at in enumerate((samples.NOW, samples.NOW - 2 * day, samples.NOW - 3 * day)):
            request = samples.spans(samples.CHAT, seed=seed, time_ns=at)
            _, _, body = poster(receiver)(request.SerializeToString())
            partial = ExportTraceServiceResponse.FromString(body).partial_success
            rejected.append(partial.rejected_spans)
    assert rejected == [0, 0, 1]
    assert count(tmp_path) == 2


def test_a_point_of_a_later_year_leaves_its_series_alone(
    post: Post, ingest: Ingest, tmp_path: Path
) -> None:
    """The points with right times after it count."""
    start = samples.NOW - 60 * 10**9
    for value, at in ((7.0, 4070908800 * 10**9), (8.0, samples.NOW), (9.0, samples.NOW + 10**9)):
        body = samples.counter(value, time_ns=at, start_ns=start).SerializeToString()
        assert post(body, path="/v1/metrics")[0] == 200
    ingest.flush()
    assert llm_otel.lake.open(tmp_path).sql("SELECT sum(sum) FROM metrics_hourly").fetchall() == [
        (9.0,)
    ]


@pytest.mark.parametrize(
    ("limits", "status"),
    [(Limits(pending_bytes=10), 429), (Limits(free_bytes=1 << 60), 503)],
    ids=["pressure", "full disk"],
)
def test_senders_are_told_to_come_back(
    tmp_path: Path, limits: Limits, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Retry-After, and nothing is stored."""
    from llm_otel.receiver import http as module

    monkeypatch.setattr(module, "PATIENCE_S", 0.1)
    with Ingest(tmp_path, limits) as ingest, Receiver(ingest, http_port=0, grpc_port=None) as one:
        answered, headers, body = poster(one)(BODY)
        assert (answered, int(headers["retry-after"]) > 0) == (status, True)
        assert Status.FromString(body).message
        ingest.flush()
    assert count(tmp_path) == 0


def test_a_token_is_asked_of_everybody(ingest: Ingest) -> None:
    """Only the right one is let in; the health page needs none."""
    with Receiver(ingest, http_port=0, grpc_port=None, token="s3cret") as receiver:
        post = poster(receiver)
        for wrong in (None, "Bearer", "Bearer wrong", "s3cret", "Basic s3cret", "Bearer s3crét"):
            headers = dict(PROTOBUF) if wrong is None else {**PROTOBUF, "authorization": wrong}
            status, found, _ = post(BODY, headers)
            assert (status, found["www-authenticate"]) == (401, "Bearer"), wrong
        for right in ("Bearer s3cret", "bearer s3cret"):
            assert post(BODY, {**PROTOBUF, "authorization": right})[0] == 200
        assert post(b"", {}, path="/health", method="GET")[0] == 200


def test_nobody_listens_for_everybody_without_a_token(ingest: Ingest) -> None:
    """The sentence says what to do."""
    with pytest.raises(ConfigError, match="give a token"):
        Receiver(ingest, host="0.0.0.0", http_port=0, grpc_port=None)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_taken_port_is_said(ingest: Ingest, protocol: str) -> None:
    """With its number, and nothing stays open."""
    with Receiver(ingest, http_port=0, grpc_port=None) as first:
        ports = {"http_port": None, "grpc_port": None, f"{protocol}_port": first.http_port}
        with pytest.raises(ConfigError, match=f"{first.http_port}: Address already in use; stop"):
            Receiver(ingest, **ports)


def test_acknowledged_is_in_the_log(tmp_path: Path) -> None:
    """The answer comes after the disk has it, and long before it is a row."""
    with (
        Ingest(tmp_path, Limits(flush_s=3600)) as ingest,
        Receiver(ingest, http_port=0, grpc_port=None) as receiver,
    ):
        assert poster(receiver)(BODY)[0] == 200
        assert sum(path.stat().st_size for path in (tmp_path / "log").iterdir()) > len(BODY)
        assert count(tmp_path) == 0
    wait(lambda: count(tmp_path) == 1)
