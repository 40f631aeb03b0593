"""The zero-code way in: what `opentelemetry-instrument` and declarative configuration load."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from llm_otel.base import guard
from llm_otel.errors import ConfigError
from llm_otel.sdk import declarative

_logger = logging.getLogger("llm_otel")


class LlmOtelInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """`instrument()` and `uninstrument()` of the library, as OpenTelemetry's loaders call them.

    Keywords are those of `llm_otel.instrument()`. It has no `configuration` class on purpose: the
    options of a declarative configuration then reach `Settings`, which says in one sentence what
    is wrong with them.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: which client libraries there are is looked up when instrumenting."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        """As `llm_otel.instrument`, but a wrong setting is one line in the log.

        An exception here would keep the loader from every instrumentation that comes after.
        """
        from llm_otel import instrument

        try:
            options = kwargs or declarative.options()
            if options.pop("enabled", True):
                instrument(**options)
        except ConfigError as exc:
            _logger.error("llm-otel is off: %s", exc)  # noqa: TRY400 - the sentence says it all
        except Exception as exc:  # noqa: BLE001
            guard.handle("instrument", exc)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002
        from llm_otel import uninstrument

        uninstrument()
