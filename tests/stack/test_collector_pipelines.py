"""The Collector's files by reading them: every way out leads through the redaction."""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack.collector_rig import CONFIG, OVERLAYS

from llm_otel import semconv
from llm_otel.stack.collector import allowed, base, files
from llm_otel.stack.collector.overlays import OVERLAYS as OVERLAY_NAMES
from llm_otel.stack.config import Config

ROOT = CONFIG.parents[1]
CHANGING = [name for name in OVERLAY_NAMES if name != "off"]
COMBINED = [
    order
    for size in range(len(CHANGING) + 1)
    for chosen in combinations(CHANGING, size)
    for order in permutations(chosen)
]


def load(*overlays: str) -> Any:
    """The configuration as the Collector merges it: maps by key, all else replaced."""
    merged = parsed(CONFIG)
    for name in overlays:
        merged = merge(merged, parsed(OVERLAYS / f"{name}.yaml"))
    return merged


@cache
def parsed(path: Path) -> Any:
    """A file's content; not to be changed."""
    return yaml.safe_load(path.read_text())


def merge(first: Any, second: Any) -> Any:
    """Both, the second where they differ."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return second
    both = {**first, **second}
    return both | {key: merge(first[key], second[key]) for key in first.keys() & second.keys()}


def ways(config: Any) -> list[list[str]]:
    """Every way from a receiver to an exporter: the processors on it, in order."""
    pipelines = config["service"]["pipelines"]

    def onward(name: str, passed: list[str]) -> list[list[str]]:
        pipeline = pipelines[name]
        passed = [*passed, *pipeline.get("processors", [])]
        found = []
        for exporter in pipeline["exporters"]:
            if exporter in config["connectors"]:
                signal = name.partition("/")[0]
                for other, each in pipelines.items():
                    if other.startswith(signal) and exporter in each["receivers"]:
                        found += onward(other, passed)
            else:
                found.append([*passed, exporter])
        return found

    starts = [
        name
        for name, each in pipelines.items()
        if any(receiver in config["receivers"] for receiver in each["receivers"])
    ]
    return [way for name in starts for way in onward(name, [])]


def test_every_way_out_leads_through_both_layers_whatever_overlays_are_used() -> None:
    """In each order of each set of overlays, of which the first comes `memory_limiter`."""
    for order in COMBINED:
        found = ways(load(*order))
        assert len(found) == len(base.SIGNALS) * (1 + ("analytics" in order)), (order, found)
        for way in found:
            layers = [each for each in way if each in base.REDACTION]
            assert way[0] == "memory_limiter", (order, way)
            assert layers == list(base.REDACTION), (order, way)
            assert "batch" not in " ".join(way), (order, way)


def test_every_exporter_keeps_what_it_could_not_send() -> None:
    """A queue on disk that never gives up; the file exporter writes at once."""
    for order in COMBINED:
        config = load(*order)
        for name in {way[-1] for way in ways(config)} - {base.LOGS_OUT}:
            exporter = config["exporters"][name]
            assert exporter["sending_queue"]["storage"] in config["service"]["extensions"], name
            assert exporter["sending_queue"]["batch"], name
            assert exporter["retry_on_failure"] == {"max_elapsed_time": 0}, name
        assert "rotation" in config["exporters"][base.LOGS_OUT]


def test_analytics_takes_nothing_from_the_others() -> None:
    """In whatever order: all signals go to it, unsampled, and the ways of the others stay."""
    for order in COMBINED:
        if "analytics" not in order:
            continue
        without = ways(load(*(name for name in order if name != "analytics")))
        found = ways(load(*order))
        to_it = [way for way in found if way[-1] == "otlp_http/analytics"]
        assert [way for way in found if way not in to_it] == without, order
        assert len(to_it) == len(base.SIGNALS), order
        assert not any("tail_sampling" in way for way in to_it), order


def test_off_changes_nothing() -> None:
    """The overlay that stands where another could is as if it were not there."""
    assert load("off") == load()
    assert load("analytics", "off", "content") == load("analytics", "content")


def test_the_layers_close_when_in_doubt() -> None:
    """Errors drop the payload, every group says its context, and the summary names no key."""
    for order in COMBINED:
        processors = load(*order)["processors"]
        transform, redaction = (processors[name] for name in base.REDACTION)
        assert transform["error_mode"] == "propagate"
        groups = [each for kind, at in transform.items() if kind != "error_mode" for each in at]
        assert len(groups) == 15
        assert all(each["context"] for each in groups)
        assert redaction["summary"] == "silent"
        assert redaction["redact_all_types"] is ("content" in order)
        assert redaction["allow_all_keys"] is False


def test_the_committed_files_are_what_the_code_says() -> None:
    """`llm-otel render` would change nothing."""
    wanted = files(Config())
    stale = [path for path, text in wanted.items() if (ROOT / path).read_text() != text]
    assert not stale
    assert {path.name for path in OVERLAYS.iterdir()} == {f"{name}.yaml" for name in OVERLAY_NAMES}


def test_every_name_is_allowed_or_denied() -> None:
    """An attribute in the names module that the Collector does not know is a mistake."""
    labels = {label for metric in allowed.METRICS for label in metric.labels}
    known = {*allowed.SPAN, *allowed.LOG, *allowed.DATAPOINT, *allowed.DENIED}
    not_attributes = {*allowed.EVENTS, *(metric.name for metric in allowed.METRICS)}
    names = {
        value
        for constant, value in vars(semconv).items()
        if constant.isupper() and isinstance(value, str) and "." in value
        if not constant.startswith("BAGGAGE_")
    }
    unknown = (names | labels) - known - not_attributes
    assert not unknown, f"neither allowed nor denied in collector/allowed.py: {unknown}"
    assert not allowed.DENIED.keys() & {*allowed.SPAN, *allowed.LOG, *allowed.DATAPOINT}


def test_every_metric_of_the_library_is_allowed() -> None:
    """A new instrument must be in a family that the Collector knows."""
    instruments = {each for each in vars(semconv).values() if isinstance(each, semconv.Metric)}
    assert instruments == set(allowed.METRICS)


@pytest.mark.parametrize("forms", ["SPAN", "LOG", "DATAPOINT", "RESOURCE", "SPAN_EVENT"])
def test_every_form_is_a_single_short_word(forms: str) -> None:
    """No text with a blank, a line break, or without an end passes; two words for `site` alone."""
    import re

    for key, form in getattr(allowed, forms).items():
        if form.kind not in ("text", "texts"):
            continue
        for text in ("my secret prompt here", "line\nbreak", "a" * 300, "é", '{"a":1}', ""):
            assert not re.fullmatch(form.pattern, text), (key, text)
