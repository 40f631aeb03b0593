"""The OpenTelemetry providers in use: those given, those configured, or an SDK that we set up.

The only module that, with `attribution`, `exporting`, `at_exit` and `console`, imports the SDK and
exporters.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from llm_otel.base.otel_internals import entry_points, is_stand_in
from llm_otel.core import runtime
from llm_otel.escaping import visible
from llm_otel.sdk import attribution, console, declarative, exporting, flushing
from llm_otel.sdk.at_exit import AtExit
from llm_otel.settings import Settings, environment, sdk_disabled

_logger = logging.getLogger("llm_otel")

_OTLP = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_DEFAULT_PROTOCOL = "http/protobuf"

_at_exit = AtExit()
_own_providers: list[Any] = []  # providers that we set up in this process


class Providers(NamedTuple):
    """Where telemetry goes."""

    tracer_provider: trace.TracerProvider
    meter_provider: metrics.MeterProvider
    logger_provider: _logs.LoggerProvider


class _Signal(NamedTuple):
    """How one signal is looked up, built and made the program's."""

    name: str
    contents: str
    configured: Callable[[], Any]
    configure: Callable[[Any], None]
    build: Callable[[Resource, list[Any]], Any]


def configure(
    settings: Settings,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    logger_provider: _logs.LoggerProvider | None = None,
) -> Providers:
    """Find or make the providers; never raises.

    A given provider wins, then the one that the program configured. Only where it has none at all
    an SDK is set up, by the standard `OTEL_*` variables, if `settings.setup` says so: a program
    that brings its own tracing decides for itself whether it wants metrics, too.
    """
    own_providers = (tracer_provider, meter_provider, logger_provider)
    has_its_own = any(each is not None for each in own_providers) or any(
        map(_is_configured, _SIGNALS)
    )
    may_set_up = settings.setup and not has_its_own and not sdk_disabled()
    if may_set_up and declarative.file_named():
        # that file is the only source: a signal that it leaves out stays without an SDK
        may_set_up = False
        declarative.configure_sdk()
        attribution.attach(trace.get_tracer_provider())
    if may_set_up:
        _at_exit.register()
    tracers, meters, loggers = (
        _provider(signal, provider, may_set_up, _exporter(signal, settings))
        for signal, provider in zip(_SIGNALS, own_providers)
    )
    if settings.console:
        console.attach(tracers)
    return Providers(tracers, meters, loggers)


def flush(seconds: float) -> bool:
    """Export what was recorded so far and go on; True when everything was exported in time."""
    lost = _at_exit.outage.lost
    return flushing.flush(_in_use(), seconds) and _at_exit.outage.lost == lost


def shut_down(seconds: float) -> bool:
    """Shut the providers down that were set up here, as at exit; True when it was in time."""
    return _at_exit.close(seconds)


def _in_use() -> tuple[Any, ...]:
    """The providers that `instrument()` emits to, else the global ones."""
    active = runtime.active()
    providers = active.providers if active is not None else (None,) * len(_SIGNALS)
    return tuple(
        signal.configured() if provider is None or is_stand_in(provider) else provider
        for signal, provider in zip(_SIGNALS, providers)
    )


def _provider(signal: _Signal, provider: Any, may_set_up: bool, by_default: str) -> Any:
    if provider is not None:
        return provider
    if may_set_up and not _is_configured(signal):
        try:
            _set_up(signal, by_default)
        except Exception as exc:  # noqa: BLE001 - SDK and exporters raise anything for wrong OTEL_*
            _logger.warning(
                "llm-otel cannot set up the export of %s: %s: %s",
                signal.contents,
                type(exc).__name__,
                visible(str(exc)),
            )
    return signal.configured()


def _is_configured(signal: _Signal) -> bool:
    return not is_stand_in(signal.configured())


def _set_up(signal: _Signal, by_default: str) -> None:
    if not _own_providers:
        exporting.quieten_processors(_at_exit.outage)
    provider = signal.build(Resource.create(), _exporters(signal, by_default))
    signal.configure(provider)
    _own_providers.append(provider)
    _at_exit.watch(provider.shutdown)


def _exporter(signal: _Signal, settings: Settings) -> str:
    """The exporter of a signal that `OTEL_<SIGNAL>_EXPORTER` does not name."""
    variables = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        f"OTEL_EXPORTER_OTLP_{signal.name.upper()}_ENDPOINT",
    )
    # Who looks at the console may have no receiver, and then does not miss one.
    return "otlp" if not settings.console or any(map(environment, variables)) else "none"


def _exporters(signal: _Signal, by_default: str) -> list[Any]:
    """The exporters that `OTEL_<SIGNAL>_EXPORTER` names, else `by_default`."""
    variable = f"OTEL_{signal.name.upper()}_EXPORTER"
    exporters = []
    for name in (environment(variable) or by_default).split(","):
        entry = _protocol(signal) if name.strip() == "otlp" else name.strip()
        if entry in ("", "none"):
            continue
        entries = list(entry_points(group=f"opentelemetry_{signal.name}_exporter", name=entry))
        if entries:
            exporters.append(entries[0].load()())
        else:
            _logger.warning(
                "llm-otel: %s names %r, which is not installed; %s are not exported there.",
                variable,
                entry,
                signal.contents,
            )
    return exporters


def _protocol(signal: _Signal) -> str:
    variable = f"OTEL_EXPORTER_OTLP_{signal.name.upper()}_PROTOCOL"
    protocol = environment(variable) or environment("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol and protocol not in _OTLP:
        _logger.warning(
            "llm-otel: OTLP protocol %r is not known (%s are); %s is used for %s.",
            protocol,
            ", ".join(_OTLP),
            _DEFAULT_PROTOCOL,
            signal.contents,
        )
    return _OTLP.get(protocol, _OTLP[_DEFAULT_PROTOCOL])


def _tracer_provider(resource: Resource, exporters: list[Any]) -> TracerProvider:
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    attribution.attach(provider)
    for exporter in exporters:
        quiet = exporting.QuietSpanExporter(exporter, "spans", _at_exit.outage)
        provider.add_span_processor(BatchSpanProcessor(quiet))
    return provider


def _meter_provider(resource: Resource, exporters: list[Any]) -> MeterProvider:
    readers = [
        exporter
        if isinstance(exporter, MetricReader)
        else PeriodicExportingMetricReader(
            exporting.QuietMetricExporter(exporter, "metrics", _at_exit.outage)
        )
        for exporter in exporters
    ]
    return MeterProvider(readers, resource, shutdown_on_exit=False)


def _logger_provider(resource: Resource, exporters: list[Any]) -> LoggerProvider:
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    for exporter in exporters:
        quiet = exporting.QuietLogExporter(exporter, "events", _at_exit.outage)
        provider.add_log_record_processor(BatchLogRecordProcessor(quiet))
    return provider


_SIGNALS = (
    _Signal(
        "traces", "spans", trace.get_tracer_provider, trace.set_tracer_provider, _tracer_provider
    ),
    _Signal(
        "metrics", "metrics", metrics.get_meter_provider, metrics.set_meter_provider,
        _meter_provider,
    ),
    _Signal(
        "logs", "events", _logs.get_logger_provider, _logs.set_logger_provider, _logger_provider
    ),
)  # fmt: skip
