"""The doctor compares what runs with what is written; a target may come up while it looks."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from stack.doctor_stage import Web

from llm_otel.stack.doctor import compose, loaded, watching
from llm_otel.stack.doctor.result import State

HALF_PAST_TWELVE = 1_796_041_800.0
STARTED = f"process_start_time_seconds {HALF_PAST_TWELVE:.2f}\n"
PROMETHEUS = f"prometheus_config_last_reload_success_timestamp_seconds {HALF_PAST_TWELVE:.8e}\n"
ALERTMANAGER = "alertmanager_config_last_reload_success_timestamp_seconds 1.7960418e+09\n"
# Service -> what tells when it read its files, and the files.
PROGRAMS = {
    "otel-collector": (
        "collector",
        {"/": (200, '{"status":"Server available","upSince":"2026-11-30T12:30:00.123456789Z"}')},
        "collector/config.yaml",
    ),
    "prometheus": ("prometheus", {"/metrics": (200, PROMETHEUS)}, "prometheus/alerts/a.yaml"),
    "alertmanager": (
        "alertmanager",
        {"/metrics": (200, ALERTMANAGER)},
        "alertmanager/templates/a.tmpl",
    ),
    "tempo": ("tempo", {"/metrics": (200, STARTED)}, "tempo/tempo.yaml"),
    "grafana": ("grafana", {"/metrics": (200, STARTED)}, "grafana/provisioning/datasources/a.yaml"),
}


def service(name: str, folder: Path) -> dict[str, compose.Service]:
    """A service with the folders that the compose file mounts for it."""
    inside = {"grafana/provisioning": "/x", "grafana/dashboards": "/etc/grafana/dashboards"}
    binds = inside if name == "grafana" else {PROGRAMS[name][0]: "/etc/x"}
    here = {folder / path: target for path, target in binds.items()}
    here[folder / "secrets" / name] = "/run/secrets"
    return {name: compose.Service(name, 1, 1, here, {}, {}, False, ())}


@pytest.mark.parametrize("name", PROGRAMS)
def test_files_that_were_written_later_are_named(name: str, web: Web, tmp_path: Path) -> None:
    """What was there at the start runs; what was written since does not, and the line says so."""
    key, web.pages, file = PROGRAMS[name]
    paths = [file, f"secrets/{name}/new", "grafana/dashboards/LLM/new.json"]
    for each in paths:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text("")
    os.utime(tmp_path / file, (HALF_PAST_TWELVE - 60, HALF_PAST_TWELVE - 60))
    services, where = service(name, tmp_path), {key: web.url}
    (current,) = loaded.check(services, where, {})
    assert current.state is State.OK, current
    os.utime(tmp_path / file, (HALF_PAST_TWELVE + 60, HALF_PAST_TWELVE + 60))
    (late,) = loaded.check(services, where, {})
    assert late.state is State.FAILED
    assert "runs with the configuration of 2026-11-30 12:30:00 UTC" in late.text
    assert late.text.endswith(f"{'/'.join(file.split('/')[-2:])} was written later")
    assert late.todo == f"Load it: docker compose restart {name}."
    assert list(loaded.check(services, where, where)) == [], "its files are somewhere else"


@pytest.mark.parametrize("answer", [(200, "<h1>hello</h1>"), (503, "{}"), (200, '{"upSince": 1}')])
def test_what_does_not_tell_is_passed_over(
    answer: tuple[int, str], web: Web, tmp_path: Path
) -> None:
    """A program that does not say when it read its files is neither blamed nor praised."""
    for name, (key, pages, file) in PROGRAMS.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
        web.pages = dict.fromkeys(pages, answer)
        assert list(loaded.check(service(name, tmp_path), {key: web.url}, {})) == []


def test_a_target_may_come_up_while_the_doctor_looks(web: Web) -> None:
    """What Prometheus saw before it was there is asked for again, not reported."""

    class Coming(dict[str, tuple[int, str]]):
        """Down at first, up when asked for the second time."""

        times = 0

        def get(self, path: str, default: object = None) -> object:  # type: ignore[override]
            if path == "/api/v1/targets":
                self.times += 1
                health = "up" if self.times > 1 else "down"
                target = {"labels": {"job": "tempo"}, "health": health}
                return 200, json.dumps({"data": {"activeTargets": [target]}})
            return super().get(path, default)

    web.pages = Coming(
        {
            "/-/ready": (200, ""),
            "/api/v1/rules": (200, "{}"),
            "/api/v2/alerts": (200, '[{"labels": {}}]'),
        }
    )
    began = time.monotonic()
    where = {"prometheus": web.url, "alertmanager": web.url}
    texts = [each.text for each in watching.check(where, 30)]
    assert texts[0] == "Prometheus watches tempo"
    assert time.monotonic() - began < 10
