"""What `instrument()` made, in one object; before that, a passive one on the global providers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry._logs import Logger, get_logger
from opentelemetry.context import get_current
from opentelemetry.trace import Tracer

from llm_otel import semconv
from llm_otel.base.otel_internals import provider_is_set
from llm_otel.core import rivals
from llm_otel.core.labels import Labels
from llm_otel.core.ledger import Ledger
from llm_otel.core.metrics import semconv_metrics
from llm_otel.core.metrics.instruments import Instruments, for_meter
from llm_otel.core.server import Servers

if TYPE_CHECKING:
    from llm_otel.content.policy import Policy
    from llm_otel.core.metrics.measurement import Recorder
    from llm_otel.pricing import Pricing
    from llm_otel.settings import Settings


@dataclass
class Runtime:
    """Everything a call needs.

    Attributes:
        settings: The frozen settings.
        tracer, logger: Where spans and events go.
        instruments: Where measurements go.
        pricing: Usage to cost.
        policy: What content is captured.
        ledger: What was polled and counted.
        servers: Hosts to providers.
        semconv_recorders: Record calls in the conventions' own metrics.
        cache_write: Name or names of the cache-write attribute.
        explicit: Providers were given or set up, so there is always somebody to emit to.
        providers: Of spans, metrics and events; None: the global one.
        went_live: Called once when there is somebody to emit to, later than at the start.
    """

    settings: Settings
    tracer: Tracer
    logger: Logger
    instruments: Instruments
    pricing: Pricing
    policy: Policy
    ledger: Ledger
    servers: Servers
    semconv_recorders: tuple[Recorder, ...]
    cache_write: tuple[str, ...]
    explicit: bool
    providers: tuple[object, object, object] = (None, None, None)
    went_live: Callable[[], None] = lambda: None

    @property
    def live(self) -> bool:
        """Whether anything that is emitted can reach an SDK: somebody set a global provider, or
        there is no telling."""
        if not self.explicit and provider_is_set():
            self.explicit = True
            self.went_live()
        return self.explicit

    def count_internal_error(self, site: str) -> None:
        """Count a failure of ours."""
        self.instruments.table.count(semconv.INTERNAL_ERRORS, 1, **{semconv.SITE: site})


class _GlobalMeters:
    """Stands for the global meter provider, before and after somebody sets it."""


_GLOBAL = _GlobalMeters()

_CACHE_WRITE = {
    "latest": (semconv.USAGE_CACHE_WRITE,),
    "both": (semconv.USAGE_CACHE_WRITE_V141, semconv.USAGE_CACHE_WRITE),
}


def build(
    settings: Settings,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    logger_provider: object | None = None,
    explicit: bool = False,
) -> Runtime:
    """A runtime on the given providers, the global ones where None."""
    from llm_otel.content.hook import load_hook
    from llm_otel.content.policy import Policy
    from llm_otel.pricing import Pricing
    from llm_otel.version import __version__

    labels = Labels(
        {
            semconv.MODEL: settings.max_models,
            semconv.FEATURE: settings.max_features,
            semconv.TENANT_ID: settings.max_tenants,
            semconv.RESPONSE_MODEL: 2 * settings.max_models,
            semconv.SERVER_ADDRESS: semconv.MAX_MODELS,
            semconv.WORKFLOW_NAME: semconv.MAX_STEP_NAMES,
            semconv.AGENT_NAME: semconv.MAX_STEP_NAMES,
            semconv.TOOL_NAME: semconv.MAX_STEP_NAMES,
            semconv.STEP: 2 * semconv.MAX_STEP_NAMES,
        }
    )
    meter = metrics.get_meter(semconv.SCOPE, __version__, meter_provider)
    owner = _GLOBAL
    if meter_provider is not None and meter_provider is not metrics.get_meter_provider():
        owner = meter_provider  # type: ignore[assignment]
    instruments = for_meter(owner, meter, labels)
    pricing = Pricing(settings.prices or None, update=settings.price_update)
    instruments.pricing = pricing
    return Runtime(
        settings=settings,
        tracer=trace.get_tracer(semconv.SCOPE, __version__, tracer_provider),
        logger=get_logger(semconv.SCOPE, __version__, logger_provider),  # type: ignore[arg-type]
        instruments=instruments,
        pricing=pricing,
        policy=Policy(
            settings.capture_content,
            settings.content_max_length,
            settings.redact,
            load_hook(settings.completion_hook),
            settings.emit_event,
        ),
        ledger=Ledger(),
        servers=Servers(settings.providers),
        semconv_recorders=semconv_metrics.recorders(settings.semconv),
        cache_write=_CACHE_WRITE.get(settings.semconv, (semconv.USAGE_CACHE_WRITE_V141,)),
        explicit=explicit,
        providers=(tracer_provider, meter_provider, logger_provider),
    )


_active: Runtime | None = None
_passive: Runtime | None = None


def active() -> Runtime | None:
    """The runtime of `instrument()`, or None."""
    return _active


def activate(runtime: Runtime | None) -> None:
    """Make a runtime the one that new calls use; None: calls pass through."""
    global _active
    _active = runtime


def live() -> Runtime | None:
    """The active runtime, where what is emitted can reach somebody, and the program has not asked
    for no instrumentation here."""
    if _active is None or not _active.live or rivals.suppressed(get_current()):
        return None
    return _active


def get() -> Runtime:
    """The active runtime, else a passive one on the global providers."""
    if _active is not None:
        return _active
    global _passive
    if _passive is None:
        from llm_otel.settings import Settings

        _passive = build(Settings())
    return _passive
