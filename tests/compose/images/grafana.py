#!/usr/local/bin/python3
"""Stands in for Grafana where its image cannot be had: provisions, logs in, asks the data sources.

It needs what Grafana needs: a folder for its data that it can write, a password by file, data
sources and dashboards in their files, no two dashboards with one uid.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from answering import metrics, serve

PORT = 3000
FOLDERS_SECONDS = 30  # updateIntervalSeconds of the provider
HEALTH = {"prometheus": "/-/ready", "tempo": "/ready"}


def setting(name: str) -> str:
    """A variable, or what is in the file that its `__FILE` names."""
    file = os.environ.get(f"{name}__FILE")
    if not file:
        return os.environ.get(name, "")
    try:
        return Path(file).read_text().strip()
    except OSError as exc:
        sys.exit(f"Failed to read {name}__FILE: {exc}")


class Provisioned:
    """Data sources as of the start, dashboards as they are now."""

    def __init__(self, folder: Path) -> None:
        self.sources = {
            source["uid"]: source
            for path in sorted(folder.glob("datasources/*.y*ml"))
            for source in yaml.safe_load(path.read_text()).get("datasources", ())
        }
        self._folders = [
            Path(provider["options"]["path"])
            for path in sorted(folder.glob("dashboards/*.y*ml"))
            for provider in yaml.safe_load(path.read_text())["providers"]
        ]
        self._read = 0.0
        self._dashboards: dict[str, Any] = {}

    @property
    def dashboards(self) -> dict[str, Any]:
        """By uid; read again when they are older than the provider's interval."""
        if time.monotonic() - self._read > FOLDERS_SECONDS or not self._dashboards:
            self._read = time.monotonic()
            found: dict[str, Any] = {}
            for path in sorted(each for folder in self._folders for each in folder.rglob("*.json")):
                dashboard = json.loads(path.read_text())
                if dashboard["uid"] in found:
                    print(f'level=error msg="the same uid twice" file={path}', file=sys.stderr)
                found[dashboard["uid"]] = dashboard
            self._dashboards = found
        return self._dashboards


def main() -> None:
    """Start as Grafana does, and serve."""
    password = setting("GF_SECURITY_ADMIN_PASSWORD")
    data = Path(os.environ["GF_PATHS_DATA"])
    if not os.access(data, os.W_OK):
        sys.exit(f"GF_PATHS_DATA='{data}' is not writable.")
    kept = data / "admin"
    if not kept.exists():  # the first start: later the database has the password
        kept.write_text(password)
    password = kept.read_text()
    provisioned = Provisioned(Path(os.environ["GF_PATHS_PROVISIONING"]))
    home = json.loads(Path(os.environ["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).read_text())
    login = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
    open_to_all = os.environ.get("GF_AUTH_ANONYMOUS_ENABLED") == "true"

    def answer(path: str, _query: str, headers: Any) -> tuple[int, Any]:
        if path == "/api/health":
            return 200, {"database": "ok", "version": "13.2.3"}
        if path == "/metrics":
            return 200, metrics(grafana_stat_totals_dashboard=len(provisioned.dashboards))
        given = headers.get("Authorization")
        if given not in (None, login) or (given is None and not open_to_all):
            return 401, {"message": "Unauthorized"}
        return _api(provisioned, home, path)

    serve(PORT, answer)


def _api(provisioned: Provisioned, home: Any, path: str) -> tuple[int, Any]:
    match path.split("/")[1:]:
        case ["api", "search"]:
            found = provisioned.dashboards.items()
            return 200, [
                {"uid": uid, "title": each["title"], "type": "dash-db"} for uid, each in found
            ]
        case ["api", "dashboards", "home"]:
            return 200, {"dashboard": home, "meta": {"isHome": True}}
        case ["api", "dashboards", "uid", uid] if uid in provisioned.dashboards:
            return 200, {"dashboard": provisioned.dashboards[uid], "meta": {"provisioned": True}}
        case ["api", "datasources", "uid", uid, "health"] if (
            uid in HEALTH and uid in provisioned.sources
        ):
            status, body = _fetch(provisioned.sources[uid]["url"] + HEALTH[uid])
            if status == 200:
                return 200, {"status": "OK", "message": "Successfully queried the API."}
            return 400, {"status": "ERROR", "message": body.decode("utf-8", "replace")}
        case ["api", "datasources", "proxy", "uid", uid, *rest] if uid in provisioned.sources:
            return _fetch(f"{provisioned.sources[uid]['url']}/{'/'.join(rest)}")
    return 404, {"message": "Not found"}


def _fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read()
    except OSError as exc:
        return 502, str(exc).encode()


if __name__ == "__main__":
    main()
