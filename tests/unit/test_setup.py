"""The SDK that is set up for programs without one, from outside: real processes and receivers."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from otlp_receiver import OtlpReceiver
from programs import SET_UP_AND_USE, run

from llm_otel.sdk import setup
from llm_otel.settings import Settings


def test_program_that_ends_at_once_exports_everything() -> None:
    """A program without SDK that records once and ends exports its span, metric and event."""
    with OtlpReceiver() as receiver:
        ended = run(
            SET_UP_AND_USE,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_SERVICE_NAME="shop",
        )
    assert (ended.code, ended.log) == (0, [])
    assert (receiver.spans(), receiver.metrics(), receiver.events()) == (
        ["work"],
        ["uses"],
        ["used"],
    )
    resource = receiver.resources("/v1/traces")[0].resource
    names = {a.key: a.value.string_value for a in resource.attributes}
    assert names["service.name"] == "shop", names


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OTEL_TRACES_EXPORTER", "nobody", "OTEL_TRACES_EXPORTER names 'nobody'"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "smoke", "OTLP protocol 'smoke' is not known"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "cannot set up the export of spans"),
    ],
)
def test_wrong_standard_variable(variable: str, value: str, says: str) -> None:
    """A wrong standard variable is named in the log; the program and other signals go on."""
    with OtlpReceiver() as receiver:
        ended = run(
            SET_UP_AND_USE, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **{variable: value}
        )
    assert ended.code == 0
    assert says in ended.log[0], ended.log
    assert receiver.metrics() == ["uses"]


def test_exporter_none_switches_a_signal_off() -> None:
    """`OTEL_<SIGNAL>_EXPORTER=none` exports nothing of that signal."""
    with OtlpReceiver() as receiver:
        run(
            SET_UP_AND_USE,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_METRICS_EXPORTER="none",
        )
    assert (receiver.spans(), receiver.metrics()) == (["work"], [])


def test_sampler_variable_is_respected() -> None:
    """`OTEL_TRACES_SAMPLER` decides which spans are recorded."""
    with OtlpReceiver() as receiver:
        run(
            SET_UP_AND_USE,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_TRACES_SAMPLER="always_off",
        )
    assert (receiver.spans(), receiver.metrics()) == ([], ["uses"])


@pytest.mark.parametrize("off", ["setup=False", "OTEL_SDK_DISABLED"])
def test_nothing_is_set_up_when_told_not_to(off: str) -> None:
    """With `setup=False` or `OTEL_SDK_DISABLED` a program has no SDK and exports nothing."""
    keywords, environment = (off, {}) if "=" in off else ("", {off: "true"})
    with OtlpReceiver() as receiver:
        ended = run(
            f"""
            setup.configure(Settings.resolve({keywords}))
            use()
            print(type(trace.get_tracer_provider()).__name__)
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            **environment,
        )
    assert (ended.out.split(), ended.log) == (["ProxyTracerProvider"], [])
    assert receiver.requests == []


def test_a_program_with_an_sdk_of_its_own_gets_no_second_one() -> None:
    """Who configured tracing alone did not ask for metrics to go anywhere."""
    with OtlpReceiver() as receiver:
        ended = run(
            """
            from opentelemetry.sdk.trace import TracerProvider
            own = TracerProvider()
            trace.set_tracer_provider(own)
            providers = setup.configure(Settings.resolve())
            assert providers.tracer_provider is own
            use()
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
    assert (ended.code, ended.log) == (0, [])
    assert (receiver.spans(), receiver.metrics(), receiver.events()) == ([], [], [])


def test_a_program_s_provider_may_have_the_name_of_a_stand_in() -> None:
    """Logfire's are called `ProxyTracerProvider`, as that of the API is where nobody set one."""
    ended = run(
        """
        from opentelemetry.sdk.trace import TracerProvider
        class ProxyTracerProvider(TracerProvider):
            pass
        own = ProxyTracerProvider()
        trace.set_tracer_provider(own)
        providers = setup.configure(Settings.resolve())
        assert providers.tracer_provider is own
        print(type(providers.meter_provider).__name__)
        """,
    )
    assert (ended.code, ended.log) == (0, [])
    assert ended.out.strip() == "_ProxyMeterProvider"


def test_a_second_time_uses_what_was_set_up() -> None:
    """Configuring again gives the same providers."""
    ended = run(
        """
        first = setup.configure(Settings.resolve())
        again = setup.configure(Settings.resolve())
        print([one is other for one, other in zip(first, again)])
        """,
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert (ended.out.strip(), ended.log) == ("[True, True, True]", [])


def test_given_providers_win_and_stay_private() -> None:
    """Given providers are used, and are not made those of the whole program."""
    given = (TracerProvider(), MeterProvider(), LoggerProvider())
    providers = setup.configure(Settings(), *given)
    assert (
        providers.tracer_provider,
        providers.meter_provider,
        providers.logger_provider,
    ) == given
    assert trace.get_tracer_provider() is not given[0]
    assert metrics.get_meter_provider() is not given[1]
    for provider in given:
        provider.shutdown()


def test_declarative_file_is_the_only_source(tmp_path: Path) -> None:
    """With `OTEL_CONFIG_FILE` and no SDK, the SDK is what that file says and nothing beside."""
    with OtlpReceiver() as receiver, OtlpReceiver() as default:
        file = tmp_path / "otel.yaml"
        file.write_text(
            textwrap.dedent(f"""
                file_format: "1.0"
                tracer_provider:
                  processors:
                    - batch:
                        exporter:
                          otlp_http:
                            endpoint: {receiver.endpoint}/v1/traces
            """)
        )
        ended = run(
            SET_UP_AND_USE,
            OTEL_CONFIG_FILE=str(file),
            OTEL_EXPORTER_OTLP_ENDPOINT=default.endpoint,
        )
    assert (ended.code, ended.log) == (0, [])
    assert (receiver.spans(), default.requests) == (["work"], [])


def test_declarative_file_that_is_wrong(tmp_path: Path) -> None:
    """A wrong `OTEL_CONFIG_FILE` is told in the log; the program goes on without an SDK."""
    ended = run(SET_UP_AND_USE, OTEL_CONFIG_FILE=str(tmp_path / "none.yaml"))
    assert ended.code == 0
    assert "cannot read OTEL_CONFIG_FILE" in ended.log[-1], ended.log
