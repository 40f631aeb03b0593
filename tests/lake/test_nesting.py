"""One request is one call, however many nested spans tell of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import llm_otel.lake
from llm_otel.lake.writer import Writer

DAY = date(2026, 11, 20)
TRACE = "5c" * 16


def call(span: str, parent: str | None = None, **columns: Any) -> dict[str, Any]:
    """A call of an instrumentation that may nest: 1,000 tokens in, 100 out."""
    row = {
        "time": datetime(2026, 11, 20, 12),
        "trace_id": TRACE,
        "span_id": span * 16,
        "parent_span_id": None if parent is None else parent * 16,
        "service_name": "shop",
        "scope": "framework",
        "operation": "chat",
        "provider": "openai",
        "model": "gpt-4o",
        "status": "ok",
        "duration_s": 1.0,
        "input_tokens": 1000,
        "output_tokens": 100,
        "cost_usd": 0.0035,
    }
    return {**row, **columns}


def step(span: str, parent: str | None, **columns: Any) -> dict[str, Any]:
    """A span that is no call."""
    row = call(span, parent)
    kept = ("time", "trace_id", "span_id", "parent_span_id", "service_name")
    return {**{name: row[name] for name in kept}, "name": "step", **columns}


def counted(
    folder: Path, calls: list[dict[str, Any]], spans: list[dict[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """The rows of `calls` of a lake that holds these, by the letter of their spans."""
    with Writer(folder) as writer:
        writer.append(calls=calls, spans=spans or [])
    rows = llm_otel.lake.open(folder).calls()
    return {row[rows.columns.index("span_id")][0]: dict(zip(rows.columns, row))
            for row in rows.fetchall()}  # fmt: skip


@pytest.mark.parametrize(
    ("above", "below"),
    [
        pytest.param({}, {}, id="they say the same"),
        pytest.param({"input_tokens": None, "output_tokens": None}, {}, id="usage only below"),
        pytest.param({}, {"input_tokens": None, "output_tokens": None}, id="usage only above"),
        pytest.param({"input_tokens": 488}, {"cache_read_tokens": 512}, id="cached ones left out"),
        pytest.param({"output_tokens": 60}, {"reasoning_tokens": 40}, id="thoughts left out"),
        pytest.param({"model": "smart"}, {"model": "gpt-4o"}, id="an alias of the gateway"),
        pytest.param({"model": "openai/gpt-4o"}, {"model": "gpt-4o-2024-08-06"}, id="a version"),
        pytest.param({"operation": "generate_content"}, {}, id="another word for text"),
        pytest.param({"service_name": "app"}, {"service_name": "gateway"}, id="two services"),
        pytest.param({"model": None}, {}, id="no model above"),
        pytest.param(
            {"model": "a", "input_tokens": 7, "response_id": "r"},
            {"input_tokens": 9, "response_id": "r"},
            id="one answer",
        ),
        pytest.param(
            {"status": "error", "input_tokens": None, "output_tokens": None, "cost_usd": None},
            {"status": "error", "input_tokens": None, "output_tokens": None, "cost_usd": None},
            id="both failed",
        ),
    ],
)
def test_the_call_below_counts(
    tmp_path: Path, above: dict[str, Any], below: dict[str, Any]
) -> None:
    """Two spans of one request are one call, with the usage that either knows."""
    rows = counted(tmp_path, [call("a", **above), call("b", "a", **below)])
    assert list(rows) == ["b"], rows
    usage = rows["b"]["input_tokens"], rows["b"]["output_tokens"]
    failed = below.get("status") == "error"
    assert usage == ((None, None) if failed else (below.get("input_tokens") or 1000, 100)), rows


@pytest.mark.parametrize(
    ("above", "below"),
    [
        pytest.param(
            {},
            {"model": "gpt-4o-mini", "input_tokens": 200, "output_tokens": 20},
            id="another model with other usage",
        ),
        pytest.param(
            {}, {"model": "gpt-4o-mini", "output_tokens": 20}, id="the same prompt, another model"
        ),
        pytest.param(
            {}, {"operation": "embeddings", "output_tokens": None}, id="another operation"
        ),
        pytest.param({}, {"input_tokens": 5000, "output_tokens": 7}, id="nothing in common"),
        pytest.param({}, {"input_tokens": 300}, id="one count in common"),
        pytest.param({"output_tokens": 0}, {"input_tokens": 200}, id="no output"),
        pytest.param(
            {"operation": "embeddings", "output_tokens": None, "input_tokens": 5000},
            {"operation": "embeddings", "output_tokens": None, "input_tokens": 200},
            id="two embeddings",
        ),
        pytest.param({}, {"parent_span_id": None}, id="beside it"),
        pytest.param({}, {"trace_id": "77" * 16}, id="another trace"),
        pytest.param({}, {"parent_span_id": "e" * 16}, id="below a span that never came"),
    ],
)
def test_other_calls_stay(tmp_path: Path, above: dict[str, Any], below: dict[str, Any]) -> None:
    """What may be another request is one."""
    rows = counted(tmp_path, [call("a", **above), call("b", **{"parent": "a", **below})])
    assert sorted(rows) == ["a", "b"], rows


def test_what_only_the_call_above_knows_is_taken_over(tmp_path: Path) -> None:
    """Who asked, and the bill; the nearest one wins."""
    told = {"tenant_id": "acme", "user": "u", "tags": {"k": "v"}, "feature": "search"}
    rows = counted(
        tmp_path,
        [
            call("a", **told, prompt_name="p"),
            call("b", "a", feature="chat", cost_usd=0.002, cost_source="provider"),
            call("c", "b", cost_usd=0.0035, cost_source="local"),
        ],
    )
    assert list(rows) == ["c"]
    row = rows["c"]
    wanted = {**told, "prompt_name": "p", "feature": "chat", "cost_usd": 0.002}
    assert {name: row[name] for name in wanted} == wanted


def test_cached_tokens_known_above_make_the_cost(tmp_path: Path) -> None:
    """The cost that goes with the cached part comes with it."""
    rows = counted(
        tmp_path,
        [call("a", cache_read_tokens=512, cost_usd=0.00286), call("b", "a", cost_usd=0.0035)],
    )
    assert (rows["b"]["cache_read_tokens"], rows["b"]["cost_usd"]) == (512, 0.00286)


def test_an_operation_of_many_calls_is_their_sum(tmp_path: Path) -> None:
    """An outer span that adds up its steps, or repeats the last one, is no call beside them."""
    steps = [
        call("b", "a", input_tokens=1000, output_tokens=100),
        call("c", "a", input_tokens=1300, output_tokens=50),
    ]
    total = call("a", input_tokens=2300, output_tokens=150)
    rows = counted(tmp_path / "sum", [total, *steps])
    assert {name: row["input_tokens"] for name, row in rows.items()} == {"b": 1000, "c": 1300}
    last = call("a", input_tokens=1300, output_tokens=50)
    assert sorted(counted(tmp_path / "last", [last, *steps])) == ["b", "c"]


def test_usage_of_many_silent_calls_counts_once(tmp_path: Path) -> None:
    """Where only the operation knows, the last of its calls has the usage."""
    silent = {"input_tokens": None, "output_tokens": None, "cost_usd": None}
    later = {"time": datetime(2026, 11, 20, 12, 0, 1)}
    rows = counted(
        tmp_path, [call("a"), call("b", "a", **silent), call("c", "a", **silent, **later)]
    )
    costs = {name: (row["input_tokens"], row["cost_usd"]) for name, row in rows.items()}
    assert costs == {"b": (None, None), "c": (1000, 0.0035)}


def test_other_spans_may_lie_between(tmp_path: Path) -> None:
    """From an application to its gateway there are an HTTP client's and a server's span."""
    between = [step("d", "a"), step("e", "d", service_name="gateway")]
    rows = counted(tmp_path, [call("a"), call("b", "e", service_name="gateway")], between)
    assert list(rows) == ["b"]


def test_a_circle_of_parents_is_no_nesting(tmp_path: Path) -> None:
    """Two calls below each other, and one below itself: none is lost, and the query ends."""
    rows = counted(tmp_path, [call("a", "b"), call("b", "a"), call("c", "c")])
    assert sorted(rows) == ["a", "b", "c"]


def test_a_parent_that_comes_late_is_seen(tmp_path: Path) -> None:
    """Decided when the query runs, by a lake that was open before."""
    counted(tmp_path, [call("b", "a")])
    opened = llm_otel.lake.open(tmp_path)
    count = "SELECT count(*), sum(cost_usd) FROM calls"
    assert opened.sql(count).fetchall() == [(1, 0.0035)]
    with Writer(tmp_path) as writer:
        writer.append(calls=[call("a")])
    assert opened.sql(count).fetchall() == [(1, 0.0035)]
    assert opened.sql("SELECT count(*) FROM calls WHERE span_id = ?", ["a" * 16]).fetchall() == [
        (0,)
    ]


def test_calls_on_both_sides_of_midnight(tmp_path: Path) -> None:
    """The call above began the day before: each day alone has the right sum."""
    before = {"time": datetime(2026, 11, 19, 23, 59, 59)}
    rows = counted(
        tmp_path,
        [call("a", **before, tenant_id="acme"), call("b", "a", **before), call("c", "b"),
         call("d", **before), call("e", "d", **before)],
    )  # fmt: skip
    assert {name: row["time"].day for name, row in rows.items()} == {"c": 20, "e": 19}
    assert rows["c"]["tenant_id"] == "acme"
    opened = llm_otel.lake.open(tmp_path)
    for since, until, wanted in ((DAY - timedelta(1), DAY, ["e"]), (DAY, None, ["c"])):
        spans = opened.calls(since, until).project("span_id").fetchall()
        assert [span[0][0] for span in spans] == wanted


def test_usage_of_silent_calls_on_both_sides_of_midnight_counts_once(tmp_path: Path) -> None:
    """The last of them has it, whichever days are read, and the others stay what they are."""
    silent = {"input_tokens": None, "output_tokens": None, "cost_usd": None}
    before = {"time": datetime(2026, 11, 19, 23, 59, 58), **silent}
    rows = counted(
        tmp_path,
        [call("a", time=datetime(2026, 11, 19, 23, 59, 57), duration_s=5.0, tenant_id="acme"),
         call("b", "a", **before), call("c", "a", time=datetime(2026, 11, 20), **silent)],
    )  # fmt: skip
    wanted = {"b": (None, None, "acme"), "c": (1000, 0.0035, "acme")}
    names = "input_tokens", "cost_usd", "tenant_id"
    assert {span: tuple(row[name] for name in names) for span, row in rows.items()} == wanted
    opened = llm_otel.lake.open(tmp_path)
    for since, until, cost in ((DAY - timedelta(1), DAY, (1, None)), (DAY, None, (1, 0.0035))):
        assert opened.calls(since, until).aggregate("count(*), sum(cost_usd)").fetchall() == [cost]


def test_calls_of_a_flat_instrumentation_are_not_looked_at(tmp_path: Path) -> None:
    """Ours makes one span a request: two of one service are two."""
    rows = counted(tmp_path, [call("a", scope="llm_otel"), call("b", "a", scope="llm_otel")])
    assert sorted(rows) == ["a", "b"]


def test_our_own_calls_of_an_older_lake_are_not_looked_at(tmp_path: Path) -> None:
    """Calls had no scope once; their spans always had."""
    calls = [call("a", scope=None), call("b", "a", scope=None)]
    for scope, kept in (("llm_otel", ["a", "b"]), ("framework", ["b"])):
        spans = [step("a", None, scope=scope), step("b", "a", scope=scope)]
        assert sorted(counted(tmp_path / scope, calls, spans)) == kept


def test_thoughts_known_above_are_added(tmp_path: Path) -> None:
    """An output below that leaves them out is not what was billed."""
    above = call("a", output_tokens=150, reasoning_tokens=50, cost_usd=0.004)
    rows = counted(tmp_path, [above, call("b", "a")])
    assert list(rows) == ["b"]
    usage = rows["b"]["output_tokens"], rows["b"]["reasoning_tokens"], rows["b"]["cost_usd"]
    assert usage == (150, 50, 0.004)


ANSWER = {"response_id": "chatcmpl-1"}
SILENT = {"input_tokens": None, "output_tokens": None, "cost_usd": None}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {}, id="two callbacks"),
        pytest.param({"parent": "d"}, {"parent": "d"}, id="below one step"),
        pytest.param({"parent": "d"}, {"parent": None}, id="one at the root"),
        pytest.param({"service_name": "app"}, {"service_name": "gateway"}, id="two services"),
        pytest.param({}, {"model": "smart"}, id="an alias of the gateway"),
        pytest.param({}, {"scope": "other", "input_tokens": 7}, id="another way to count"),
        pytest.param({}, SILENT, id="one without usage"),
    ],
)
def test_spans_of_one_answer_side_by_side_are_one(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any]
) -> None:
    """The one that knows most counts, and takes over what only the other one knows."""
    first = call("a", **ANSWER, tenant_id="acme", feature="f", **one)
    rows = counted(
        tmp_path, [first, call("b", **ANSWER, session_id="s", **other)], [step("d", None)]
    )
    assert list(rows) == ["a"], rows
    known = ("tenant_id", "session_id", "input_tokens", "cost_usd")
    assert [rows["a"][name] for name in known] == ["acme", "s", 1000, 0.0035]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {"response_id": "chatcmpl-2"}, id="another answer"),
        pytest.param({"response_id": ""}, {"response_id": ""}, id="empty ids"),
        pytest.param({}, {"trace_id": "77" * 16}, id="another trace"),
        pytest.param({}, {"operation": "embeddings"}, id="another operation"),
        pytest.param({}, {"time": datetime(2026, 11, 20, 12, 0, 5)}, id="later, from a cache"),
        pytest.param({}, {"input_tokens": 7}, id="a server that gives all answers one id"),
    ],
)
def test_spans_side_by_side_of_other_answers_stay(
    tmp_path: Path, one: dict[str, Any], other: dict[str, Any]
) -> None:
    rows = counted(tmp_path, [call("a", **{**ANSWER, **one}), call("b", **{**ANSWER, **other})])
    assert sorted(rows) == ["a", "b"], rows


def test_a_nested_call_has_another_one_beside_it(tmp_path: Path) -> None:
    """A framework's call, the SDK's below it and a callback's beside that: one request."""
    rows = counted(
        tmp_path,
        [call("a", tenant_id="acme"), call("b", "a", **ANSWER),
         call("c", None, **ANSWER, feature="f", provider=None), call("d", input_tokens=9)],
    )  # fmt: skip
    assert sorted(rows) == ["b", "d"], rows
    assert (rows["b"]["tenant_id"], rows["b"]["feature"]) == ("acme", "f")


def test_spans_of_one_answer_on_both_sides_of_midnight(tmp_path: Path) -> None:
    before = {"time": datetime(2026, 11, 19, 23, 59, 59), "duration_s": 3.0}
    rows = counted(
        tmp_path,
        [call("a", **ANSWER, **before, tenant_id="acme", feature="f"),
         call("b", **ANSWER, time=datetime(2026, 11, 20, 0, 0, 1))],
    )  # fmt: skip
    assert list(rows) == ["b"]
    assert rows["b"]["tenant_id"] == "acme"


def test_an_id_that_many_answers_have_is_none(tmp_path: Path) -> None:
    """Of a server that gives every answer the same one."""
    rows = counted(tmp_path, [call(span, **ANSWER) for span in "abcdef"])
    assert sorted(rows) == list("abcdef")
