"""The local web dashboard: pages over the lake's named queries.

`create_app(lake)` makes the application, `run(lake, host, port)` serves it. A page is one module in
`pages`; its address holds all that it shows. Nothing is loaded from anywhere else, and nothing is
sent. Needs the extra `local`.
"""

from __future__ import annotations

from llm_otel.dashboard.app import create_app
from llm_otel.dashboard.server import run

__all__ = ["create_app", "run"]
