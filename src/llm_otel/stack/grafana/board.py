"""What every dashboard has around its panels: variables, annotations, links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import promql
from llm_otel.stack.grafana.model import PROMETHEUS, SCHEMA_VERSION, Dashboard, Json
from llm_otel.stack.grafana.promql import ALL
from llm_otel.stack.grafana.style import with_alert
from llm_otel.stack.panels import VARIABLES
from llm_otel.stack.prometheus.promql import BY_SOURCE, ENVIRONMENT, SERVICE, SOURCE

TAG: Final = "llm-otel"
_VERSION: Final = "service_version"
LABELS: Final = {
    ENVIRONMENT: "Environment",
    SERVICE: "Service",
    semconv.PROVIDER: "Provider",
    semconv.MODEL: "Model",
    semconv.FEATURE: "Feature",
    semconv.TENANT_ID: "Tenant",
}
# Where a variable's values come from: all calls, whatever kind of histogram counts them.
_CALLS: Final = f'__name__=~"{semconv.REQUEST_DURATION.prometheus}(_count)?"'
# The span attribute that holds a label; the service is the resource's.
# Variables that choose no label: their title, what can be chosen, and what is at first.
CHOICES: Final = {
    "percentile": ("Percentile", {"P50": "0.5", "P90": "0.9", "P95": "0.95", "P99": "0.99"}, "P95"),
    "topk": ("Top", {"5": "5", "10": "10", "20": "20", "50": "50"}, "10"),
}
ATTRIBUTES: Final = {
    ENVIRONMENT: "resource.deployment.environment.name",
    SERVICE: "resource.service.name",
    semconv.MODEL: f"span.{semconv.REQUEST_MODEL}",
    semconv.PROVIDER: f"span.{semconv.PROVIDER_NAME}",
    semconv.FEATURE: f"span.{semconv.FEATURE}",
    semconv.TENANT_ID: f"span.{semconv.TENANT_ID}",
}


def dashboard_json(board: Dashboard, config: Config) -> Json:
    """The whole dashboard, with the levels of the alerts in their panels."""
    board = replace(
        board,
        panels=[with_alert(panel, config) for panel in board.panels],
        rows=[
            replace(row, panels=[with_alert(panel, config) for panel in row.panels])
            for row in board.rows
        ],
    )
    return {
        "id": None,
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": board.since, "to": "now"},
        "timepicker": {},
        "refresh": board.refresh,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "annotations": {"list": [_alerts(board), _releases()]},
        "templating": {"list": _variables(board)},
        "links": _links(config),
        "panels": board.panels_json(),
    }


def to_dashboard(uid: str, title: str, **labels: str) -> Json:
    """A link from a value to a dashboard at the same time, with the value's labels chosen.

    Args:
        uid: The dashboard.
        title: What the link says.
        labels: Variables to set, and the labels that they are set from.
    """
    own = {variable: f"${{__field.labels.{label}}}" for variable, label in labels.items()}
    return {"title": title, "url": _address(uid, own)}


def to_panel(panel: panels.Panel, title: str) -> Json:
    """A link to one panel at the same time, with the variables as they are."""
    return {"title": title, "url": f"{_address(panel.dashboard, {})}&viewPanel=panel-{panel.id}"}


def of_row(heads: Mapping[str, str], condition: str = "") -> list[Json]:
    """Links from a row of a table: to the calls, their cost and their traces.

    Args:
        heads: Labels of the row, and the heads of their columns.
        condition: More of the TraceQL filter.

    Returns:
        The links; none of a row without a label that a dashboard can be filtered by.
    """
    cells = {name: f"${{__data.fields.{head}}}" for name, head in heads.items() if name in LABELS}
    if not cells:
        return []
    encoded = {name: f"{cell[:-1]}:percentencode}}" for name, cell in cells.items()}
    return [
        {"title": "Operations", "url": _address(panels.OPERATIONS, encoded)},
        {"title": "Cost & tenants", "url": _address(panels.COST, encoded)},
        _explore("Traces", cells, condition),
    ]


def _address(uid: str, own: Mapping[str, str]) -> str:
    """A dashboard at the same time; variables that `own` does not set stay as they are."""
    current = "".join(f"&${{{name}:queryparam}}" for name in VARIABLES if name not in own)
    return f"/d/{uid}?${{__url_time_range}}{current}" + "".join(
        f"&var-{name}={value}" for name, value in own.items()
    )


def to_traces(title: str, condition: str = "", **labels: str) -> Json:
    """A link from a value to the traces behind it.

    Args:
        title: What the link says.
        condition: More of the TraceQL filter.
        labels: Labels of the value, and what to call them there (`ATTRIBUTES`).
    """
    values = {name: f"${{__field.labels.{label}}}" for name, label in labels.items()}
    return _explore(title, values, condition)


def _explore(title: str, values: Mapping[str, str], condition: str) -> Json:
    conditions = [f'{ATTRIBUTES[name]}="{value}"' for name, value in values.items()]
    traceql = "{ " + " && ".join([*conditions, *([condition] if condition else [])]) + " }"
    panes = {
        "traces": {
            "datasource": "${tempo_datasource}",
            "queries": [
                {
                    "refId": "A",
                    "datasource": {"type": "tempo", "uid": "${tempo_datasource}"},
                    "queryType": "traceql",
                    "query": traceql,
                    "limit": 20,
                    "tableType": "traces",
                }
            ],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    # `$`, `{` and `}` stay: Grafana replaces what they enclose.
    encoded = quote(json.dumps(panes, separators=(",", ":")), safe="${}._")
    return {"title": title, "url": f"/explore?schemaVersion=1&panes={encoded}", "targetBlank": True}


def _alerts(board: Dashboard) -> Json:
    """Marks in the graphs where an alert fired; an alert without a variable's label counts too."""
    alerts = promql.firing(f'component=~"{"|".join(board.components)}"')
    return {
        "name": "Alerts",
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "datasource": dict(PROMETHEUS),
        "expr": f"max by (alertname, severity, model, tenant_id) ({alerts})",
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{model}} {{tenant_id}}",
        "tagKeys": "severity",
        "useValueForTime": False,
    }


def _releases() -> Json:
    """Marks in the graphs where a service began to run another version."""
    name = semconv.PRICES_VERSION.prometheus
    versioned = f'{_VERSION}!=""'
    running = f"{name}{{{promql.filters((), versioned)}}}"
    by = ", ".join((*SOURCE, _VERSION))
    now, before = f"group by ({by}) ({running})", f"last_over_time({running}[1d] offset 10m)"
    return {
        "name": "Releases",
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "datasource": dict(PROMETHEUS),
        # A service that is new as a whole is no change of a version.
        "expr": f"{now} unless on ({by}) {before} and on ({BY_SOURCE}) {before}",
        "step": "60s",
        "titleFormat": f"{{{{service_name}}}} {{{{{_VERSION}}}}}",
        "textFormat": f"{{{{{ENVIRONMENT}}}}}",
        "tagKeys": _VERSION,
        "useValueForTime": False,
    }


def _variables(board: Dashboard) -> list[Json]:
    variables = [_datasource("prometheus", "Prometheus"), _datasource("tempo", "Tempo")]
    earlier_filters: list[str] = []
    for name in VARIABLES:
        matchers = ", ".join([_CALLS, *earlier_filters])
        query = f"label_values({{{matchers}}}, {name})"
        variables.append(
            {
                "type": "query",
                "name": name,
                "label": LABELS[name],
                "hide": 2 if name in board.hidden else 0,
                "datasource": dict(PROMETHEUS),
                "query": {"qryType": 1, "query": query, "refId": name},
                "definition": query,
                "refresh": 2,
                "sort": 1,
                "regex": "",
                "multi": True,
                "includeAll": True,
                "allValue": ALL,
                "allowCustomValue": True,
                "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
                "options": [],
                "skipUrlSync": False,
            }
        )
        if name in (*SOURCE, semconv.PROVIDER):
            earlier_filters.append(f'{name}=~"${name}"')
    return [*variables, *(_choice(name, hidden=name in board.hidden) for name in CHOICES)]


def _choice(name: str, *, hidden: bool) -> Json:
    """A variable of a few values, such as the percentile; on every dashboard, so that it stays."""
    title, values, first = CHOICES[name]
    return {
        "type": "custom",
        "name": name,
        "label": title,
        "hide": 2 if hidden else 0,
        "query": ", ".join(f"{text} : {value}" for text, value in values.items()),
        "multi": False,
        "includeAll": False,
        "allowCustomValue": False,
        "current": {"selected": True, "text": first, "value": values[first]},
        "options": [
            {"selected": text == first, "text": text, "value": value}
            for text, value in values.items()
        ],
        "skipUrlSync": False,
    }


def _datasource(kind: str, title: str) -> Json:
    """Hidden, as there is one of each; where there are more, `var-<kind>_datasource` chooses."""
    return {
        "type": "datasource",
        "name": f"{kind}_datasource",
        "label": f"{title} data source",
        "hide": 2,
        "query": kind,
        "regex": "",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
        "current": {"selected": True, "text": title, "value": kind},
        "options": [],
        "skipUrlSync": False,
    }


def _links(config: Config) -> list[Json]:
    others = {
        "type": "dashboards",
        "title": "LLM",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
    runbook = {
        "type": "link",
        "title": "Runbook",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
        "icon": "doc",
        "tooltip": "What each alert means, and what to do",
        "url": config.runbook_url,
    }
    return [others, runbook]
