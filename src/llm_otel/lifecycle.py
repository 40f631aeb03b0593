"""`instrument()` and `uninstrument()`: what turns everything on and off."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from llm_otel.errors import ConfigError
from llm_otel.settings import Settings, sdk_disabled
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from llm_otel.pricing import Cost

_logger = logging.getLogger("llm_otel")
_lock = threading.RLock()
_FIELDS = frozenset(field.name for field in fields(Usage))


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    **settings: Any,
) -> None:
    """Make every call of the installed LLM clients emit a span, metrics and its cost.

    May be called before or after clients are imported or made; calling it again changes nothing,
    unless it was undone by `uninstrument()`. Thread-safe.

    Args:
        tracer_provider: Where spans go; the globally set provider where None.
        meter_provider: Where metrics go, likewise.
        logger_provider: Where events go, likewise. Where the program has no provider at all,
            given or set, an SDK is set up that exports by OTLP as the standard `OTEL_*` variables
            say, unless the setting `setup` is false or `OTEL_SDK_DISABLED` is true.
        **settings: Any field of `Settings`; these win over the environment, which wins over
            `llm-otel.yaml`.

    Raises:
        ConfigError: A setting has a wrong name or value, wherever it was given, or a provider is
            none.
    """
    with _lock:
        from llm_otel.core import runtime

        new_settings = Settings.resolve(**settings)
        _check(tracer_provider, meter_provider, logger_provider)
        active = runtime.active()
        if active is not None:
            if settings and new_settings != active.settings:
                _logger.warning(
                    "llm-otel is instrumented already and keeps the settings of then; call "
                    "llm_otel.uninstrument() before another instrument()."
                )
            _handle_sigterm(active.settings)
            return
        if sdk_disabled():
            return
        _start(new_settings, tracer_provider, meter_provider, logger_provider)


def _check(*providers: object) -> None:
    for provider, method in zip(providers, ("get_tracer", "get_meter", "get_logger")):
        if provider is not None and not hasattr(provider, method):
            name = method.removeprefix("get_") + "_provider"
            raise ConfigError(
                f"The keyword {name} is a {type(provider).__name__}, which has no {method}(); "
                "give an OpenTelemetry provider."
            )


def _start(
    settings: Settings,
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    logger_provider: LoggerProvider | None,
) -> None:
    from llm_otel import clients, mcp, seams, stores, threads
    from llm_otel.attribution import configure
    from llm_otel.base import fork, guard
    from llm_otel.core import endings, runtime

    if settings.threads:
        threads.check()
    fork.renew(__name__, "_lock", threading.RLock)
    is_explicit = any(
        each is not None for each in (tracer_provider, meter_provider, logger_provider)
    )
    providers = _providers(settings, tracer_provider, meter_provider, logger_provider)
    new_runtime = runtime.build(
        settings,
        tracer_provider=providers.tracer_provider if providers else tracer_provider,
        meter_provider=providers.meter_provider if providers else meter_provider,
        logger_provider=providers.logger_provider if providers else logger_provider,
        explicit=is_explicit or providers is not None,
    )
    guard.count = new_runtime.count_internal_error
    configure(settings, new_runtime.instruments.table.labels.overflow)
    new_runtime.went_live = seams.complete
    runtime.activate(new_runtime)
    # Registered after the SDK's own end, so called before it: what is open is exported, too.
    atexit.unregister(endings.end_open)
    atexit.register(endings.end_open)
    available = clients.load()
    names = settings.clients if settings.clients is not None else tuple(available)
    for name in names:
        seams.install(available[name])
        if settings.clients is not None and not available[name].installed:
            _logger.warning("llm-otel was told to instrument %r, which is not installed.", name)
    if settings.threads:
        threads.carry()
    if settings.mcp:
        mcp.install()
    if settings.stores:
        stores.install()
    _handle_sigterm(settings)
    # last, as its thread competes with this one
    new_runtime.pricing.start()


def _handle_sigterm(settings: Settings) -> None:
    """Also where instrumented already: a server resets signals in the processes that it forks."""
    if settings.flush_on_sigterm:
        from llm_otel.sdk import sigterm

        sigterm.install()


def _providers(
    settings: Settings,
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    logger_provider: LoggerProvider | None,
) -> Any:
    """The SDK's providers, set up where there are none; None when there is nothing to set up."""
    if not settings.setup and not settings.console:
        return None
    from llm_otel.sdk import setup

    return setup.configure(settings, tracer_provider, meter_provider, logger_provider)


def flush(timeout: float = 5.0) -> bool:
    """Export what was recorded so far, and go on.

    For a place that ends the process without Python's atexit handlers, or freezes it: the shutdown
    of an ASGI application's lifespan, a signal of Celery, a serverless function.

    Args:
        timeout: Seconds for spans, metrics and events together, which are exported at once.

    Returns:
        Whether everything was exported in time; True as well if there is nothing to export to.
    """
    from llm_otel.sdk import setup

    return setup.flush(timeout)


def uninstrument() -> None:
    """Undo `instrument()`: clients behave as if we had never been there.

    What was begun ends as it would have. The SDK, if we set one up, stays: OpenTelemetry's global
    providers cannot be unset, and a later `instrument()` uses them again.
    """
    with _lock:
        from llm_otel import seams, threads
        from llm_otel.attribution import configure
        from llm_otel.base import finalizers, guard
        from llm_otel.core import runtime

        active = runtime.active()
        if active is None:
            return
        runtime.activate(None)
        finalizers.settle()
        guard.count = None
        seams.remove_all()
        threads.restore()
        configure(None)
        active.pricing.stop()
        if active.settings.flush_on_sigterm:
            from llm_otel.sdk import sigterm

            sigterm.remove()


def cost(usage: object = None, *, model: str, **options: Any) -> Cost | None:
    """What a usage costs, by the prices of `instrument()`, else by the list prices.

    Args:
        usage: A `Usage`, a mapping with the names of its fields, the `usage` of a provider's
            response, or None and the fields as keywords:
            `llm_otel.cost(model="gpt-4o", input_tokens=1200, output_tokens=300)`.
        model: The model that answered.
        **options: `provider` (by default `openai`), `service_tier`, `host`, `when`,
            `duration_s`, `requests`, and fields of `Usage`.

    Returns:
        The cost in USD by input, output and other; None when no price is known.

    Raises:
        ValueError: A field is unknown, not a count, or larger than the field it is a part of.
        TypeError: `usage` is nothing of the kind.
    """
    pricing, runtime = _late_imports()
    quantities = usage if isinstance(usage, Usage) else _reported(usage)
    if quantities is _NOTHING_COUNTED:
        return None
    active = runtime.active()
    if active is None:
        result: Cost | None = pricing.cost(quantities, model=model, **options)
    else:
        result = pricing.cost_by_hand(active.pricing, quantities, model=model, **options)
    return result


@cache
def _late_imports() -> tuple[Any, Any]:
    """What `cost` needs and `import llm_otel` does without; an `import` each time would take a
    third of the time of a cost."""
    from llm_otel import pricing
    from llm_otel.core import runtime

    return pricing, runtime


# A provider's usage of zeros, which tells nothing.
_NOTHING_COUNTED = object()


def _reported(usage: object) -> Any:
    """A usage as a provider reports it, in chat's or in responses' words, as ours."""
    from llm_otel.base import read
    from llm_otel.protocols import openai
    from llm_otel.protocols.openai import usage as reported_usage
    from llm_otel.providers import dialects

    if usage is None or isinstance(usage, Usage):
        return usage
    if not _is_ours(usage):
        quantities = reported_usage.usage(None, openai.CHAT, dialects.PLAIN, usage)
        if quantities is not None:
            return quantities
        if not openai.CHAT.usage.keys().isdisjoint(read.fields(usage)):
            return _NOTHING_COUNTED
    if not isinstance(usage, Mapping):
        raise TypeError(
            f"The usage is a {type(usage).__name__}; give a llm_otel.Usage, a mapping with its "
            "fields, or the usage of a response."
        )
    return usage


def _is_ours(usage: object) -> bool:
    return isinstance(usage, Mapping) and usage.keys() <= _FIELDS
