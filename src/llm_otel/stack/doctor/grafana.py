"""Whether Grafana reaches its data, and has its dashboards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llm_otel.stack import panels
from llm_otel.stack.doctor.endpoints import items
from llm_otel.stack.doctor.result import Result, failed, ok
from llm_otel.stack.doctor.web import Answer, fetch

_AREA: Final = "grafana"
DASHBOARDS: Final = (panels.OPERATIONS, panels.COST, panels.QUALITY, panels.PIPELINE)

# Data source -> the request through Grafana that only succeeds when that one answers it. That of
# Alertmanager has no backend in Grafana, and so no health check: its status is asked for.
DATASOURCES: Final[Mapping[str, str]] = {
    "prometheus": "/api/datasources/uid/prometheus/health",
    "tempo": "/api/datasources/uid/tempo/health",
    "alertmanager": "/api/datasources/proxy/uid/alertmanager/api/v2/status",
}


def check(url: str, headers: Mapping[str, str]) -> Iterator[Result]:
    """Data sources and dashboards, as somebody sees them who looks.

    Args:
        url: Where Grafana is.
        headers: A login; empty: nobody in particular.
    """
    answer = fetch(f"{url}/api/search?type=dash-db", headers=headers)
    if answer.status in (401, 403):
        todo = "Give the password of admin: --grafana-password-file, or secrets/grafana/."
        yield failed(_AREA, "Grafana lets nobody look without a login", todo)
        return
    for uid, path in DATASOURCES.items():
        yield _datasource(uid, fetch(url + path, headers=headers))
    uids = {each.get("uid") for each in items(answer)}
    for uid in DASHBOARDS:
        yield _dashboard(uid, uid in uids, url, headers)
    yield _home(fetch(f"{url}/api/dashboards/home", headers=headers))


def _datasource(uid: str, answer: Answer) -> Result:
    if answer.ok:
        return ok(_AREA, f"Grafana gets data from {uid}")
    todo = f"Read the log: docker compose logs grafana {uid}."
    return failed(_AREA, f"Grafana gets no data from {uid}: {answer.brief()}", todo)


def _dashboard(uid: str, is_listed: bool, url: str, headers: Mapping[str, str]) -> Result:
    answer = fetch(f"{url}/api/dashboards/uid/{uid}", headers=headers)
    if not answer.ok or not is_listed:
        todo = "Read the log for provisioning errors: docker compose logs grafana."
        return failed(_AREA, f"The dashboard {uid} is not there: {answer.brief()}", todo)
    count = len(items(answer, "dashboard", "panels"))
    if not count:
        todo = "Write it again: llm-otel render, then docker compose restart grafana."
        return failed(_AREA, f"The dashboard {uid} is empty", todo)
    return ok(_AREA, f"The dashboard {uid} is there, with {count} panels and rows")


def _home(answer: Answer) -> Result:
    document = answer.json()
    dashboard = document.get("dashboard") if isinstance(document, dict) else None
    uid = dashboard.get("uid") if isinstance(dashboard, dict) else None
    if uid == panels.OPERATIONS:
        return ok(_AREA, f"The first page is {uid}")
    todo = "Set GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH as docker-compose.yml does."
    return failed(_AREA, f"The first page is not {panels.OPERATIONS}: {answer.brief()}", todo)
