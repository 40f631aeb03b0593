"""The setting `tags`: the Collector lets through what it lists, and no other tag."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from stack.catchers import wait_for
from stack.collector_rig import Collector, Traces

from llm_otel import semconv
from llm_otel.stack import render
from llm_otel.stack.canary.positions import attribute, new_record
from llm_otel.stack.canary.sending import grpc_
from llm_otel.stack.collector import base, files
from llm_otel.stack.config import Config

CONFIG = Config(tags=("team", "cost.center"))
TEAM, CENTER = (semconv.TAG_PREFIX + key for key in CONFIG.tags)
# A tag that is not listed, one that is and has no form, an attribute that few spans have.
OTHER, UNUSUAL = f"{semconv.TAG_PREFIX}other", semconv.HTTP_STATUS_CODE


def processors(config: Config) -> dict[str, Any]:
    """Those of the base, as the overlay for content leaves them, too."""
    found = files(config)
    return {
        name: yaml.safe_load(found[f"collector/{name}.yaml"])["processors"]
        for name in ("config", "overlays/content")
    }


def test_both_layers_list_the_tags_of_the_setting() -> None:
    """With the setting each file lists its tags for spans, and else nothing changes."""
    for name, with_tags in processors(CONFIG).items():
        transform, redaction = (with_tags[layer] for layer in base.REDACTION)
        assert {TEAM, CENTER} <= {*redaction["allowed_keys"]}, name
        assert {semconv.OUTCOME_PREFIX + key for key in CONFIG.tags} <= {*redaction["allowed_keys"]}
        for kind in ("metric_statements", "log_statements"):
            assert semconv.TAG_PREFIX not in str(transform[kind]), (name, kind)
        without = processors(Config())[name]
        assert semconv.TAG_PREFIX not in str(without), name
    assert [name for name, text in files(CONFIG).items() if text != files(Config())[name]] == [
        "collector/config.yaml",
        "collector/overlays/content.yaml",
    ]


@pytest.fixture(params=["base", "content"])
def collector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Collector, Traces]]:
    """A Collector on files made with two tags."""
    render.write(tmp_path, files(CONFIG))
    overlays = [tmp_path / "collector/overlays/content.yaml"] if request.param == "content" else []
    traces = Traces()
    with Collector(
        tmp_path,
        *overlays,
        tempo=f"127.0.0.1:{traces.port}",
        prometheus="http://127.0.0.1:1",
        base=tmp_path / "collector/config.yaml",
    ) as running:
        yield running, traces
    traces.stop()


def test_listed_tags_pass_as_words(collector: tuple[Collector, Traces]) -> None:
    """A listed tag that is a word comes out, on usual and other spans; all else does not."""
    running, traces = collector
    send = grpc_(running.grpc)
    sent: dict[int, dict[str, Any]] = {
        1: {TEAM: "red", OTHER: "x"},
        2: {TEAM: "red", UNUSUAL: 500},
        3: {TEAM: "my own words", CENTER: "a" * 65, OTHER: "x"},
        4: {TEAM: 7, CENTER: "eu-1"},
    }
    for number, attributes in sent.items():
        made = new_record("traces", number)
        for key, value in attributes.items():
            kind = "int_value" if isinstance(value, int) else "string_value"
            attribute(made.item.attributes, key, AnyValue(**{kind: value}))
        assert send("traces", made.request.SerializeToString())
    wait_for(lambda: len(traces.spans()) == len(sent), "all spans")
    came = {
        int.from_bytes(span.span_id, "big"): {
            each.key: each.value.string_value or each.value.int_value for each in span.attributes
        }
        for span in traces.spans()
    }
    assert came == {1: {TEAM: "red"}, 2: {TEAM: "red", UNUSUAL: 500}, 3: {}, 4: {CENTER: "eu-1"}}


def test_listed_attributes_of_outcomes_pass(collector: tuple[Collector, Traces]) -> None:
    """The same list holds for an outcome's own attributes: words, numbers and bools come out."""
    running, _ = collector
    send = grpc_(running.grpc)
    team, center, other = (semconv.OUTCOME_PREFIX + key for key in (*CONFIG.tags, "other"))
    sent: list[dict[str, Any]] = [
        {team: "red", other: "unlisted"},
        {team: 7, center: 1.5},
        {team: True, center: "my own words"},
    ]
    for number, attributes in enumerate(sent, 1):
        made = new_record("logs", number)
        made.item.event_name = semconv.EVENT_OUTCOME
        for key, value in attributes.items():
            kind = {str: "string", int: "int", float: "double", bool: "bool"}[type(value)]
            attribute(made.item.attributes, key, AnyValue(**{f"{kind}_value": value}))
        assert send("logs", made.request.SerializeToString())
    text = wait_for(
        lambda: (
            (kept := "".join(path.read_text() for path in running.events.iterdir())).count(
                semconv.EVENT_OUTCOME
            )
            >= len(sent)
            and kept
        ),
        "all events",
    )
    came = [
        {each["key"]: next(iter(each["value"].values())) for each in item.get("attributes", ())}
        for line in text.splitlines()
        for resource in json.loads(line)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for item in scope["logRecords"]
    ]
    assert came == [{team: "red"}, {team: "7", center: 1.5}, {team: True}], came


def test_spans_of_other_libraries_keep_the_attribution(
    collector: tuple[Collector, Traces],
) -> None:
    """What `AttributionSpanProcessor` writes passes on a span that is no GenAI operation."""
    running, traces = collector
    made = new_record("traces", 1)
    made.item.name = "GET /orders/{id}"
    sent = {semconv.TENANT_ID: "acme", semconv.FEATURE: "chat", semconv.SESSION_ID: "s1"}
    for key, value in {**sent, "http.route": "/orders/{id}", TEAM: "red"}.items():
        attribute(made.item.attributes, key, AnyValue(string_value=value))
    assert grpc_(running.grpc)("traces", made.request.SerializeToString())
    wait_for(traces.spans, "the span")
    [span] = traces.spans()
    assert span.name == "other"
    assert {each.key: each.value.string_value for each in span.attributes} == {**sent, TEAM: "red"}
