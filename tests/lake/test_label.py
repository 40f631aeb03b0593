"""Rating answers on the dashboard: what is asked next, and that a rating reaches the lake."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lake.pages import content, text

import llm_otel.lake
from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.site import Site
from llm_otel.lake.writer import Writer
from llm_otel.serve import Places, Running, running

_NOW = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
_OWN = {"Sec-Fetch-Site": "same-origin"}
_SAID = '[{"role": "user", "parts": [{"type": "text", "content": "Where is parcel 7?"}]}]'
_ANSWER = '[{"role": "assistant", "parts": [{"type": "text", "content": "In Leipzig."}]}]'


def _ids(number: int) -> dict[str, str]:
    return {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}


def _fill(path: Path) -> None:
    """Three calls, of which the oldest has its messages; the newest failed."""
    calls, spans = [], []
    for number in range(1, 5):
        call = _ids(number) | {
            "time": _NOW - timedelta(minutes=40 - number), "service_name": "shop",
            "provider": "openai", "model": "gpt-5", "operation": "chat", "feature": "support",
            "tenant_id": "acme", "status": "error" if number == 4 else "ok", "duration_s": 1.0,
            "prefix_hash": 5 if number == 1 else None,
        }  # fmt: skip
        calls.append(call)
        said = {"input_messages": _SAID, "output_messages": _ANSWER} if number == 1 else {}
        names = ("trace_id", "span_id", "time", "service_name", "model", "operation", "status")
        spans.append({name: call[name] for name in names} | {"name": f"chat {number}"} | said)
    with Writer(path) as writer:
        writer.append(calls=calls, spans=spans)


def _form(number: int, value: str = "4", **fields: str) -> dict[str, str]:
    return {
        "back": "/label?range=24h", "evaluation": "human", "value": value, "model": "gpt-5",
        "feature": "support", "tenant_id": "acme", "service": "shop", **_ids(number), **fields,
    }  # fmt: skip


def _scores(path: Path) -> list[tuple[Any, ...]]:
    return (
        llm_otel.lake.open(path)
        .sql(
            "SELECT evaluation, score, trace_id, span_id, model, feature, tenant_id, service_name "
            "FROM scores ORDER BY time"
        )
        .fetchall()
    )


_ROW = ("human", 0.75, *_ids(1).values(), "gpt-5", "support", "acme", "shop")


def test_the_queue_begins_with_what_can_be_read(tmp_path: Path) -> None:
    """A captured answer first, then the newest; failed calls answered nothing."""
    _fill(tmp_path)
    site = Site(llm_otel.lake.open(tmp_path), clock=lambda: _NOW.replace(tzinfo=timezone.utc))
    first = text(content(site, "/label?range=24h"))
    assert "Where is parcel 7?" in first
    assert "In Leipzig." in first
    names = [
        name
        for place in range(4)
        for name in ("chat 1", "chat 2", "chat 3", "chat 4", "That was the last one")
        if name in text(content(site, f"/label?range=24h&place={place}"))
    ]
    assert names == ["chat 1", "chat 3", "chat 2", "That was the last one"]
    done = f"/label?range=24h&done={_ids(1)['trace_id']}"
    assert "chat 3" in text(content(site, done)), "what was rated just now is not asked again"
    assert "were not captured" in text(content(site, done))


def test_what_is_rated_later_is_rated(tmp_path: Path) -> None:
    """A window that ended before its answers were rated does not ask for them again."""
    _fill(tmp_path)
    late = _NOW + timedelta(days=2)
    with Writer(tmp_path) as writer:
        writer.append(
            scores=[_ids(n) | {"time": late, "evaluation": "human", "score": 1.0, "event_id": n}
                    for n in (1, 3)]
        )  # fmt: skip
    site = Site(llm_otel.lake.open(tmp_path), clock=lambda: late.replace(tzinfo=timezone.utc))
    until = _NOW.isoformat()
    page = text(
        content(site, f"/label?since={(_NOW - timedelta(hours=2)).isoformat()}&until={until}")
    )
    assert "chat 2" in page, page


def test_without_a_receiver_the_dashboard_writes_itself(tmp_path: Path) -> None:
    """And the next answer is shown."""
    _fill(tmp_path)
    browser = create_app(tmp_path).test_client()
    answer = browser.post("/rate", data=_form(1), headers=_OWN)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/label?range=24h&done={_ids(1)['trace_id']}"
    assert _scores(tmp_path) == [_ROW]
    assert "1 rated since this window began" in browser.get("/label?range=24h").text


def test_a_rating_that_is_not_stored_is_named(tmp_path: Path) -> None:
    """Another process writes, and nobody said where its receiver is."""
    _fill(tmp_path)
    browser = create_app(tmp_path).test_client()
    with Writer(tmp_path):
        answer = browser.post("/rate", data=_form(1), headers=_OWN, follow_redirects=True)
    assert "The last rating was not stored" in answer.text
    assert "Where is parcel 7?" in answer.text, "it is asked again"
    assert _scores(tmp_path) == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_other_pages_rate_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    """A form of another site, which a browser would send with the dashboard's name."""
    _fill(tmp_path)
    answer = create_app(tmp_path).test_client().post("/rate", data=_form(1), headers=headers)
    assert answer.status_code == 403
    assert _scores(tmp_path) == []


def test_the_token_is_asked_for(tmp_path: Path) -> None:
    """As for every page; a form that brings it in the address rates nothing either."""
    _fill(tmp_path)
    browser = create_app(tmp_path, token="sesame").test_client()
    assert browser.post("/rate", data=_form(1), headers=_OWN).status_code == 401
    browser.get("/label?token=sesame")
    assert browser.post("/rate", data=_form(1), headers=_OWN).status_code == 303
    assert len(_scores(tmp_path)) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"value": "6"}, "the value is a number from 1 to 5"),
        ({"value": "nan"}, "the value is a number from 1 to 5"),
        ({"trace_id": "../../x"}, "it needs the ids of a trace and a span"),
        ({"evaluation": "a b"}, "it needs the name of an evaluation"),
    ],
)
def test_what_is_no_rating_is_refused(tmp_path: Path, wrong: dict[str, str], sentence: str) -> None:
    """With a sentence that says what is wrong."""
    _fill(tmp_path)
    browser = create_app(tmp_path).test_client()
    answer = browser.post("/rate", data=_form(1) | wrong, headers=_OWN)
    assert (answer.status_code, answer.text) == (400, f"This is no rating: {sentence}.\n")
    assert _scores(tmp_path) == []


def test_one_goes_back_to_the_queue_alone(tmp_path: Path) -> None:
    """Whatever address a form names."""
    _fill(tmp_path)
    browser = create_app(tmp_path).test_client()
    form = _form(1, back="https://evil.example/?range=7d")
    answer = browser.post("/rate", data=form, headers=_OWN)
    assert answer.headers["Location"].startswith("/label?range=7d&done=")


@contextmanager
def _local(path: Path, token: str | None) -> Iterator[Running]:
    places = Places(http_port=0, grpc_port=0, dashboard_port=0, token=token)
    with running(path, places) as local:
        yield local


@pytest.mark.parametrize("token", [None, "sesame"])
def test_a_rating_beside_a_running_receiver(
    tmp_path: Path, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the receiver, which alone writes the lake, with its token and past any proxy."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    _fill(tmp_path)
    with _local(tmp_path, token) as local:
        headers = _OWN | ({"Cookie": f"llm_otel_token={token}"} if token else {})
        body = urllib.parse.urlencode(_form(1)).encode()
        request = urllib.request.Request(f"{local.dashboard}/rate", body, headers)
        opener: Callable[..., Any] = urllib.request.build_opener(
            urllib.request.ProxyHandler({})
        ).open
        with opener(request, timeout=30) as answer:
            page = answer.read().decode()
        assert "chat 3" in page, page
        assert "was not stored" not in page
        local.flush()
        assert _scores(tmp_path) == [_ROW]
