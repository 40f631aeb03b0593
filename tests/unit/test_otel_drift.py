"""OpenTelemetry changes what it keeps private: everything is recorded all the same, once."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import openai
import pytest
from opentelemetry import metrics, trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.metrics._internal import _view_instrument_match, instrument
from opentelemetry.sdk.metrics._internal.aggregation import _ExplicitBucketHistogramAggregation
from opentelemetry.sdk.metrics._internal.exemplar.exemplar_filter import TraceBasedExemplarFilter
from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer
from opentelemetry.sdk.metrics._internal.metric_reader_storage import MetricReaderStorage
from opentelemetry.sdk.metrics._internal.sdk_configuration import SdkConfiguration
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import Span
from programs import run

from llm_otel.base import guard, otel_internals
from llm_otel.core.metrics.calls import CallMetrics
from llm_otel.core.metrics.semconv_points import SemconvPoints
from llm_otel.testing import Provider, Telemetry, capture, provider

OURS = otel_internals.__name__


class Name(NamedTuple):
    """A private name that we use: where it is defined, and what it is called."""

    owner: Any
    name: str

    def __str__(self) -> str:
        return f"{getattr(self.owner, '__name__', self.owner)}.{self.name}"


_Match = _view_instrument_match._ViewInstrumentMatch
# Everything that the two shorter ways read or call.
NAMES = (
    Name(instrument.Histogram, "_is_enabled"),
    Name(instrument.Histogram, "_measurement_consumer"),
    Name(SynchronousMeasurementConsumer, "_reader_storages"),
    Name(SynchronousMeasurementConsumer, "_sdk_config"),
    Name(SdkConfiguration, "exemplar_filter"),
    Name(TraceBasedExemplarFilter, "should_sample"),
    Name(MetricReaderStorage, "_get_or_init_view_instrument_match"),
    Name(_Match, "_reset_on_collect"),
    Name(_Match, "_view"),
    Name(_Match, "_lock"),
    Name(_Match, "_get_or_create_aggregation"),
    Name(View, "_attribute_keys"),
    Name(_view_instrument_match, "_hash_attributes"),
    Name(_ExplicitBucketHistogramAggregation, "aggregate"),
    Name(Span, "_attributes"),
    Name(BoundedAttributes, "_dict"),
    Name(BoundedAttributes, "_lock"),
    Name(BoundedAttributes, "_immutable"),
    Name(BoundedAttributes, "maxlen"),
    Name(BoundedAttributes, "max_value_len"),
)


def _removed(name: str, value: Any) -> Any:
    raise AttributeError(name)


def _one_argument_more(name: str, value: Any) -> Any:
    def changed(*args: Any, one_more: Any) -> Any:
        raise AssertionError("nobody gives it")

    return changed


def _raises(name: str, value: Any) -> Any:
    raise RuntimeError(name)


def _of_another_kind(name: str, value: Any) -> Any:
    return object()


CHANGES = (_removed, _one_argument_more, _raises, _of_another_kind)


class _Changed:
    """A name that is what it was to everybody but our module."""

    def __init__(self, at: Name, change: Callable[[str, Any], Any]) -> None:
        self._name = at.name
        self._change = change
        self._before = inspect.getattr_static(at.owner, at.name, None)
        self.used = 0

    def __get__(self, instance: Any, owner: Any) -> Any:
        value = self._value(instance, owner)
        if sys._getframe(1).f_globals["__name__"] != OURS:
            return value
        self.used += 1
        return self._change(self._name, value)

    def _value(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self._before
        if self._name in vars(instance):
            return vars(instance)[self._name]
        if hasattr(self._before, "__get__"):
            return self._before.__get__(instance, owner)
        if self._before is None:
            raise AttributeError(self._name)
        return self._before

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self._name] = value


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is given up yet, whatever a test before did."""
    monkeypatch.setattr(otel_internals, "_given_up", set())
    otel_internals._own_way.cache_clear()


def _put(monkeypatch: pytest.MonkeyPatch, at: Name, change: Callable[[str, Any], Any]) -> _Changed:
    changed = _Changed(at, change)
    if isinstance(at.owner, ModuleType):
        # a property of the module's class: the module's own functions find what is in its table
        kind = type(at.owner.__name__, (ModuleType,), {at.name: changed})
        monkeypatch.setattr(at.owner, "__class__", kind)
    else:
        monkeypatch.setattr(at.owner, at.name, changed, raising=False)
    return changed


def _calls(p: Provider) -> Telemetry:
    p.reset()
    question: Any = [{"role": "user", "content": "Hi"}]
    with capture(providers={"127.0.0.1": "openai"}, fixed_ids=True) as got:
        client = openai.OpenAI(base_url=p.url, api_key="test", max_retries=0)
        for _ in range(3):
            client.chat.completions.create(model="gpt-4o", messages=question)
        for _ in client.chat.completions.create(model="gpt-4o", messages=question, stream=True):
            pass
        p.enqueue("server_error")
        with pytest.raises(openai.APIError):
            client.chat.completions.create(model="gpt-4o", messages=question)
    return got


def _facts(got: Telemetry) -> dict[str, Any]:
    """What does not differ from one run to the next."""
    timed = {"gen_ai.response.id", "gen_ai.response.time_to_first_chunk", "server.port"}
    points = {
        str(
            (point.name, sorted((k, v) for k, v in point.attributes.items() if k != "server.port"))
        ): (point.count if point.count is not None else point.value)
        for points in got.metrics().values()
        for point in points
        if point.name != "llm_otel.prices.age"
    }
    spans = [
        (span.name, span.status, {k: v for k, v in span.attributes.items() if k not in timed})
        for span in got.spans
    ]
    return {"points": points, "spans": spans}


@pytest.fixture(scope="module")
def serving() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def expected(serving: Provider) -> dict[str, Any]:
    """What the public way records."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(otel_internals, "_given_up", {"histograms", "spans"})
        return _facts(_calls(serving))


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of, but for the streams that reported no usage."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "llm_otel"
        and record.levelno >= logging.WARNING
        and "got no usage" not in record.getMessage()
    ]


def test_both_ways_record_the_same(
    serving: Provider, expected: dict[str, Any], fresh: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls, streams and failures: spans and points are alike, and nothing is given up here."""
    assert _facts(_calls(serving)) == expected
    assert otel_internals._given_up == set()
    assert _warnings(caplog) == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("at", NAMES, ids=str)
def test_a_private_name_that_changes_loses_nothing(
    serving: Provider,
    expected: dict[str, Any],
    fresh: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    at: Name,
    change: Callable[[str, Any], Any],
) -> None:
    """Every point and attribute is there, none twice, and there is one warning at the most."""
    changed = _put(monkeypatch, at, change)
    got = _calls(serving)
    assert changed.used, f"{at} is not used"
    assert _facts(got) == expected
    assert len(_warnings(caplog)) <= 1, _warnings(caplog)
    if otel_internals._given_up:
        assert "does not know this version of the OpenTelemetry SDK" in "".join(_warnings(caplog))


def test_a_part_that_fails_takes_no_other_with_it(
    serving: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of duration, tokens, cost, first chunk and the conventions' metrics may fail alone."""
    monkeypatch.setattr(guard, "strict", False)
    metrics = {
        "ended": ("gen_ai.request.duration", 4),
        "used": ("gen_ai.tokens.consumed", None),
        "cost": ("gen_ai.cost.usd", None),
        "first_chunk": ("gen_ai.request.time_to_first_chunk", 1),
    }
    for broken in metrics:
        with monkeypatch.context() as patched:
            patched.setattr(CallMetrics, broken, _fail)
            got = _calls(serving)
        recorded = {name for name, (metric, _) in metrics.items() if got.points(metric)}
        assert recorded == metrics.keys() - {broken}
        assert got.points("gen_ai.client.operation.duration"), broken
        assert len(got.spans) == 5
    with monkeypatch.context() as patched:
        patched.setattr(SemconvPoints, "record", _fail)
        got = _calls(serving)
    assert {name for name, (metric, _) in metrics.items() if got.points(metric)} == metrics.keys()


def _fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    "at",
    [Name(trace, "_TRACER_PROVIDER"), Name(metrics._internal, "_METER_PROVIDER")],
    ids=str,
)
def test_where_providers_are_kept_may_change(monkeypatch: pytest.MonkeyPatch, at: Name) -> None:
    """Without telling whether there is a provider, calls are recorded."""
    changed = _put(monkeypatch, at, _removed)
    assert otel_internals.provider_is_set()
    assert changed.used or otel_internals.trace._TRACER_PROVIDER is not None


# Names that are read when the library is imported, or that a forked child needs.
WITHOUT = """
import opentelemetry.attributes, opentelemetry.context, opentelemetry.baggage
import opentelemetry.metrics, opentelemetry.trace, opentelemetry.util._importlib_metadata
import opentelemetry.sdk.trace, opentelemetry.sdk.metrics
del opentelemetry.attributes.BoundedAttributes
del opentelemetry.context._SUPPRESS_INSTRUMENTATION_KEY
del opentelemetry.baggage._BAGGAGE_KEY
del opentelemetry.metrics._internal
del opentelemetry.util._importlib_metadata.entry_points

import openai
from llm_otel.core import runtime
from llm_otel.testing import capture, provider

assert runtime.get().live
with provider() as p, capture() as got:
    client = openai.OpenAI(base_url=p.url, api_key="test")
    for _ in range(3):
        client.chat.completions.create(
            model="gpt-4o", messages=[dict(role="user", content="Hi")]
        )
print(got.count("gen_ai.request.duration"), len(got.spans))
"""


def test_the_library_is_imported_without_private_names() -> None:
    """A name that is gone when the library is imported costs nobody a call."""
    ended = run(WITHOUT)
    assert (ended.code, ended.out.split()) == (0, ["3", "3"]), ended


FORKED = """
import os
from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from llm_otel.base import otel_internals
meter = MeterProvider().get_meter("test")
histogram = meter.create_histogram("seconds")
del histogram._measurement_consumer._reader_storages
otel_internals.forget_measurements(histogram, "test")
"""


def test_a_fork_says_what_it_could_not_forget() -> None:
    """One line, no exception."""
    ended = run(FORKED)
    assert ended.code == 0
    assert len(ended.log) == 1, ended.log
    assert "metrics of a forked process begin with those of its parent" in ended.log[0]
