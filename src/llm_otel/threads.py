"""The context in threads and executors, by OpenTelemetry's own instrumentation of them."""

from __future__ import annotations

import importlib
from typing import Any, Final

from llm_otel.errors import ConfigError

_PACKAGE: Final = "opentelemetry.instrumentation.threading"

# The instrumentor, if it was we who switched it on.
_ours: Any = None


def check() -> None:
    """See whether the package is there, before anything is set up.

    Raises:
        ConfigError: It is not.
    """
    try:
        importlib.import_module(_PACKAGE)
    except ImportError:
        raise ConfigError(
            "The setting threads needs the package opentelemetry-instrumentation-threading: "
            "pip install 'llm-otel[threads]'."
        ) from None


def carry() -> None:
    """Have threads and the work of executors begin in the context of who starts them."""
    global _ours
    instrumentor = importlib.import_module(_PACKAGE).ThreadingInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument()
        _ours = instrumentor


def restore() -> None:
    """Undo that, unless the program had it already."""
    global _ours
    instrumentor, _ours = _ours, None
    if instrumentor is not None:
        instrumentor.uninstrument()
