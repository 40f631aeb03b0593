"""`llm-otel import`: files of the Collector's exporter become rows, once."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import llm_otel.lake
from llm_otel import semconv


def request(n: int) -> dict[str, Any]:
    """One request with one chat span, as the Collector writes it."""
    start = 1_763_640_000_000_000_000 + n * 10**9
    texts = {semconv.OPERATION_NAME: "chat", semconv.REQUEST_MODEL: "gpt-4o"}
    span = {
        "traceId": f"{n + 1:032x}",
        "spanId": f"{n + 1:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 2 * 10**9),
        "attributes": [
            *({"key": k, "value": {"stringValue": v}} for k, v in texts.items()),
            {"key": semconv.USAGE_INPUT_TOKENS, "value": {"intValue": "100"}},
        ],
    }
    service = {"key": "service.name", "value": {"stringValue": "shop"}}
    return {
        "resourceSpans": [
            {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}
        ]
    }


def run(folder: Path, *files: Path) -> subprocess.CompletedProcess[str]:
    """Run `llm-otel import`."""
    command = [sys.executable, "-m", "llm_otel", "import", "--lake", str(folder)]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """How many calls, and their tokens."""
    query = "SELECT count(*), sum(input_tokens), min(service_name) FROM calls"
    return llm_otel.lake.open(folder).sql(query).fetchall()


def test_import_is_idempotent(tmp_path: Path) -> None:
    """A file counts once however often it is imported, compressed or not."""
    lines = "".join(json.dumps(request(n)) + "\n" for n in range(50))
    plain, packed = tmp_path / "a.json", tmp_path / "b.json.gz"
    plain.write_text(lines)
    packed.write_bytes(gzip.compress(lines.encode()))
    done = run(tmp_path / "lake", plain)
    assert done.returncode == 0, done.stderr
    assert "50 requests of 1 file are in the lake" in done.stdout
    assert rows(tmp_path / "lake") == [(50, 5000, "shop")]
    assert run(tmp_path / "lake", plain, packed).returncode == 0
    assert rows(tmp_path / "lake") == [(50, 5000, "shop")]


def points(day: int, cost: float, scores: int) -> list[dict[str, Any]]:
    """Two exports of a process that ran on a day of November 2025, and its scores."""
    start = 1_762_000_000_000_000_000 + day * 86_400 * 10**9
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"job {day}"}}]}
    metrics = [
        {
            "name": semconv.COST.name,
            "sum": {
                "isMonotonic": True,
                "aggregationTemporality": 2,
                "dataPoints": [
                    {
                        "startTimeUnixNano": str(start),
                        "timeUnixNano": str(start + minutes * 60 * 10**9),
                        "asDouble": value,
                    }
                ],
            },
        }
        for minutes, value in ((1, cost / 2), (2, cost))
    ]
    records = [
        {
            "timeUnixNano": str(start + n),
            "eventName": semconv.EVENT_EVALUATION,
            "attributes": [
                {"key": semconv.EVALUATION_NAME, "value": {"stringValue": "relevance"}},
                {"key": semconv.EVALUATION_SCORE_VALUE, "value": {"doubleValue": 0.5}},
            ],
        }
        for n in range(scores)
    ]
    return [
        *({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [each]}]}]}
          for each in metrics),
        {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]},
    ]  # fmt: skip


def test_metrics_and_logs_count_once(tmp_path: Path) -> None:
    """Files older than the lake, of processes long gone: everything counts, and counts once, also
    after younger series came between."""
    files = [tmp_path / "old.json", tmp_path / "young.json"]
    for file, day, cost in zip(files, (0, 60), (2.0, 3.0)):
        file.write_text("".join(json.dumps(each) + "\n" for each in points(day, cost, 4)))
    asked = "SELECT (SELECT sum(sum) FROM metrics_hourly), (SELECT count(*) FROM scores)"
    found = []
    for file in (*files, *files):
        done = run(tmp_path / "lake", file)
        assert done.returncode == 0, done.stderr
        found += llm_otel.lake.open(tmp_path / "lake").sql(asked).fetchall()
    assert found == [(2.0, 4), (5.0, 8), (5.0, 8), (5.0, 8)]


def test_wrong_lines(tmp_path: Path) -> None:
    """A line that is no OTLP is named with its number; the others are taken."""
    file = tmp_path / "mixed.json"
    file.write_text(
        f'{json.dumps(request(0))}\n{{"hello": 1}}\n\nnot json\n{json.dumps(request(1))}\n'
    )
    done = run(tmp_path / "lake", file)
    assert done.returncode == 1
    assert f"{file}, line 2, is left out: it is no OTLP request" in done.stderr, done.stderr
    assert f"{file}, line 4, is left out: it is not valid JSON" in done.stderr, done.stderr
    assert rows(tmp_path / "lake")[0][0] == 2


def test_hostile_lines(tmp_path: Path) -> None:
    """Nested too deeply, half a line, a line of a gigabyte in a small file: each is named with its
    number, the others are taken, and little memory is needed."""
    good = [json.dumps(request(n)).encode() + b"\n" for n in range(4)]
    deep = b'{"resourceSpans": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    with gzip.open(tmp_path / "a.json.gz", "wb", 1) as file:
        file.write(good[0] + deep + good[1])
        for _ in range(1024):
            file.write(bytes(1 << 20))
        file.write(b"\n" + good[2] + good[3][:-30])
    command = (sys.executable, "-c", _LIMITED, str(tmp_path / "lake"), str(tmp_path / "a.json.gz"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr, done.stderr
    assert [line.partition(", is left out")[0] for line in done.stderr.splitlines()] == [
        f"{tmp_path / 'a.json.gz'}, line {number}" for number in (2, 4, 6)
    ]
    assert "longer than 64 MiB" in done.stderr
    assert rows(tmp_path / "lake")[0][0] == 3


# One GiB beside what the libraries map: a line that is held whole needs several.
_LIMITED = """
import resource, sys
import duckdb, deltalake, pyarrow.parquet
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (3 << 30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from llm_otel.cli import main
sys.argv = ["llm-otel", "import", "--lake", *sys.argv[1:]]
main()
"""


def test_members_and_damage_of_compressed_files(tmp_path: Path) -> None:
    """Every member is read; what follows a damage is named, and the next file is taken."""
    lines = [json.dumps(request(n)).encode() + b"\n" for n in range(6)]
    files = {
        "members.gz": gzip.compress(lines[0]) + gzip.compress(lines[1]),
        "garbage.gz": gzip.compress(lines[2]) + b"garbage",
        "cut.gz": gzip.compress(lines[3] * 2 + random.Random(1).randbytes(9_999).hex().encode())[
            :-900
        ],
        "flipped.gz": gzip.compress(lines[4])[:-6] + b"\xff" * 6,
        "last.json": lines[5],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = run(tmp_path / "lake", *(tmp_path / name for name in files))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr, done.stderr
    named = {Path(line.partition(", line")[0]).name for line in done.stderr.splitlines()}
    assert named == {"garbage.gz", "cut.gz", "flipped.gz"}, done.stderr
    found = llm_otel.lake.open(tmp_path / "lake").sql("SELECT trace_id FROM calls").fetchall()
    assert {int(trace, 16) - 1 for (trace,) in found} == set(range(6))


def test_records_with_wrong_times_are_named(tmp_path: Path) -> None:
    """The line stays, without them."""
    late = request(1)
    (span,) = late["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span["startTimeUnixNano"] = "4070908800000000000"
    file = tmp_path / "late.json"
    file.write_text(f"{json.dumps(request(0))}\n{json.dumps(late)}\n")
    done = run(tmp_path / "lake", file)
    assert f"{file}, line 2: refused spans: 1 more than a day ahead" in done.stderr, done.stderr
    assert rows(tmp_path / "lake")[0][0] == 1
