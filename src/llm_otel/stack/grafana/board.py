"""What every dashboard has around its panels: variables, annotations, links."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from llm_otel import semconv
from llm_otel.stack.config import Config
from llm_otel.stack.grafana.model import PROMETHEUS, SCHEMA_VERSION, Dashboard, Json
from llm_otel.stack.grafana.promql import ALL
from llm_otel.stack.grafana.style import with_alert
from llm_otel.stack.panels import VARIABLES
from llm_otel.stack.prometheus.promql import SERVICE

TAG: Final = "llm-otel"
LABELS: Final = {
    SERVICE: "Service",
    semconv.PROVIDER: "Provider",
    semconv.MODEL: "Model",
    semconv.FEATURE: "Feature",
    semconv.TENANT_ID: "Tenant",
}
# Where a variable's values come from: all calls, whatever kind of histogram counts them.
_CALLS: Final = f'__name__=~"{semconv.REQUEST_DURATION.prometheus}(_count)?"'
# The span attribute that holds a label; the service is the resource's.
ATTRIBUTES: Final = {
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
        "annotations": {"list": [_alerts(board)]},
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
    own = "".join(
        f"&var-{variable}=${{__field.labels.{label}}}" for variable, label in labels.items()
    )
    current_filters = "".join(
        f"&${{{name}:queryparam}}" for name in VARIABLES if name not in labels
    )
    return {"title": title, "url": f"/d/{uid}?${{__url_time_range}}{current_filters}{own}"}


def to_traces(title: str, condition: str = "", **labels: str) -> Json:
    """A link from a value to the traces behind it.

    Args:
        title: What the link says.
        condition: More of the TraceQL filter.
        labels: Labels of the value, and what to call them there (`ATTRIBUTES`).
    """
    conditions = [
        f'{ATTRIBUTES[name]}="${{__field.labels.{label}}}"' for name, label in labels.items()
    ]
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
    matchers = ", ".join(
        [
            'alertstate="firing"',
            f'component=~"{"|".join(board.components)}"',
            *(f'{name}=~"${name}|"' for name in VARIABLES),
        ]
    )
    return {
        "name": "Alerts",
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "datasource": dict(PROMETHEUS),
        "expr": f"max by (alertname, severity, model, tenant_id) (ALERTS{{{matchers}}})",
        "step": "60s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{model}} {{tenant_id}}",
        "tagKeys": "severity",
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
        if name in (SERVICE, semconv.PROVIDER):
            earlier_filters.append(f'{name}=~"${name}"')
    return variables


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
