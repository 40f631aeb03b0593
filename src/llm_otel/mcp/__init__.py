"""The Model Context Protocol's SDK, on both sides: one trace, durations, attribution at the server.

SDK 2 makes spans itself: they are enriched. SDK 1 makes none: they are made, and the trace context
and the allowed baggage travel in `_meta` as those of SDK 2 do. Nothing of it is imported by us.
"""

from __future__ import annotations

from llm_otel.seams import imports


def install() -> None:
    """Hook the SDK, now or when it is imported."""
    imports.watch_from_now("mcp", _install)


def _install() -> None:
    from llm_otel.mcp import sdk_v1, sdk_v2, transports

    transports.install()
    sdk_v1.install()
    sdk_v2.install()
