"""The declarative configuration file of OpenTelemetry, named by `OTEL_CONFIG_FILE`.

The SDK leaves it to a distro to read that file. Where there is no distro we read it, with the
package `opentelemetry-configuration`, an extra of the SDK.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from llm_otel.escaping import visible
from llm_otel.settings import environment

SECTION: Final = "llm_otel"

_logger = logging.getLogger("llm_otel")


def file_named() -> str:
    """The path of the file; empty when there is none."""
    return environment("OTEL_CONFIG_FILE")


def options() -> dict[str, Any]:
    """What the file says of this library in `instrumentation/development: python: llm_otel:`."""
    return dict(_python(_load()).get(SECTION) or {})


def configure_sdk() -> None:
    """Set up the SDK, and other instrumentations, as the file says; never raises."""
    config = _load()
    if config is None:
        return
    from opentelemetry.configuration import configure_sdk as configure

    # this library is being instrumented: its own section is for the zero-code way
    _python(config).pop(SECTION, None)
    try:
        configure(config)
    except Exception as exc:  # noqa: BLE001 - that package and what it loads raise anything
        _logger.warning(
            "llm-otel cannot set up the SDK from OTEL_CONFIG_FILE: %s", visible(str(exc))
        )


def _python(config: Any) -> dict[str, Any]:
    section = getattr(config, "instrumentation_development", None)
    return getattr(section, "python", None) or {}


def _load() -> Any:
    path = file_named()
    if not path:
        return None
    try:
        from opentelemetry.configuration import load_config_file

        return load_config_file(path)
    except ImportError:
        _logger.warning(
            "llm-otel: OTEL_CONFIG_FILE is set but cannot be read without a package: "
            "pip install 'opentelemetry-sdk[file-configuration]'."
        )
    except Exception as exc:  # noqa: BLE001
        _logger.warning("llm-otel cannot read OTEL_CONFIG_FILE: %s", visible(str(exc)))
    return None
