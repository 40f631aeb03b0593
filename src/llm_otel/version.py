"""The version, read by the build and told as the version of the instrumentation scope."""

from __future__ import annotations

__version__ = "0.1.0"
