"""Registers the stack's sections of `llm-otel.yaml`; what parses one is imported with its use."""

from __future__ import annotations

from typing import Final

from llm_otel.settings.document import imported, register

# Each is a field of `stack.config.Config`, which has its default.
_PARSERS: Final = {
    "alerts": "llm_otel.stack.prometheus.alerts:parse",
    "budgets": "llm_otel.stack.config:parse_budgets",
    "slo": "llm_otel.stack.config:parse_slo",
    "grafana_url": "llm_otel.stack.config:parse_url",
    "dashboard_url": "llm_otel.stack.config:parse_url",
    "runbook_url": "llm_otel.stack.config:parse_url",
    "external_labels": "llm_otel.stack.config:parse_labels",
    "notify": "llm_otel.stack.notify:parse",
}
register({name: imported(reference) for name, reference in _PARSERS.items()})
