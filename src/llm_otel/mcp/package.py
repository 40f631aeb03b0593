"""Which package is hooked."""

from __future__ import annotations

from typing import Final, NamedTuple


class _Package(NamedTuple):
    package: str
    supported: str


MCP: Final = _Package("mcp", ">=1.30,<3")
