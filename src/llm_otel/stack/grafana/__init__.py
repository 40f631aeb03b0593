"""Grafana's files: datasources, and the four dashboards."""

from __future__ import annotations

import json
from typing import Final

from llm_otel.stack.config import Config
from llm_otel.stack.grafana import cost, operations, pipeline, provisioning, quality
from llm_otel.stack.grafana.board import dashboard_json

FOLDER: Final = "grafana/dashboards"
_DASHBOARDS: Final = (operations, cost, quality, pipeline)


def files(config: Config) -> dict[str, str]:
    """Every file of Grafana: its path, with `/`, and its text."""
    texts = provisioning.files()
    for module in _DASHBOARDS:
        board = module.dashboard(config)
        text = json.dumps(dashboard_json(board, config), indent=2, ensure_ascii=False)
        texts[f"{FOLDER}/{board.folder}/{board.uid}.json"] = text + "\n"
    return texts
