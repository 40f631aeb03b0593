"""What holds for all rules: they are valid, complete, documented, and read what there is."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.markdown import ROOT, anchors
from stack import (
    test_rules_agents,
    test_rules_cost,
    test_rules_llm,
    test_rules_quality,
    test_rules_telemetry,
)
from stack.catchers import wait_for
from stack.dashboards import names, targets
from stack.parts import Part, fetch, free_port, program
from stack.rule_cases import Case

from llm_otel import semconv
from llm_otel.stack import grafana, panels, prometheus, render
from llm_otel.stack.config import Budgets, Config
from llm_otel.stack.prometheus import alerts, promql, recording, server
from llm_otel.stack.prometheus.alert import Condition

CASES: list[Case] = [
    *test_rules_llm.CASES,
    *test_rules_agents.CASES,
    *test_rules_cost.CASES,
    *test_rules_quality.CASES,
    *test_rules_telemetry.CASES,
]
CHANGED = Config(
    alerts=alerts.parse(
        {
            "latency": {"window": "30m", "models": {"o3": {"warning": 30}, "a.b": {"critical": 9}}},
            "errors": {"window": "1h", "critical": None},
            "timeouts": {"window": "5m"},
            "stuck": False,
        },
        "f",
    ),
    budgets=Budgets(total=900, tenants={"*": 10, "acme": 50.5}, features={"search": 1}),
    slo=0.995,
    external_labels={"cluster": "eu"},
)

# Metrics of the other programs that the rules read; a test below finds them in real ones.
COLLECTOR_METRICS = {
    f"otelcol_{what}_{records}"
    for what in ("receiver_refused", "exporter_sent", "exporter_send_failed",
                 "exporter_enqueue_failed")
    for records in ("spans", "metric_points", "log_records")
} | {"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"}  # fmt: skip
PROMETHEUS_METRICS = {
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_notifications_errors_total",
    "prometheus_config_last_reload_successful",
    "prometheus_http_requests_total",
    "prometheus_tsdb_too_old_samples_total",
    "prometheus_tsdb_out_of_order_samples_total",
    "prometheus_tsdb_out_of_bound_samples_total",
    "prometheus_tsdb_head_series",
    "prometheus_tsdb_wal_writes_failed_total",
    "prometheus_tsdb_wal_corruptions_total",
    "prometheus_tsdb_wal_truncations_failed_total",
    "prometheus_tsdb_head_truncations_failed_total",
    "prometheus_tsdb_checkpoint_creations_failed_total",
    "prometheus_tsdb_compactions_failed_total",
    "prometheus_tsdb_reloads_failures_total",
}
ALERTMANAGER_METRICS = {
    "alertmanager_notifications_failed_total",
    "alertmanager_config_last_reload_successful",
}
# `job` and `instance` are those of every scrape; the SDK sets the overflow.
FOREIGN_LABELS = {
    "job", "instance", "le", "exporter", "receiver", "data_type", "rule_group", "handler", "code",
    "integration", "reason", "otel_metric_overflow",
}  # fmt: skip
OWN_LABELS = {"scope", "day", "month", "limit", "what", "why", "program"}
PROMOTED = {name.replace(".", "_") for name in server.PROMOTED}


def rules(config: Config | None = None) -> Iterator[dict[str, Any]]:
    """Every rule of every file."""
    for text in prometheus.files(config or Config()).values():
        for group in yaml.safe_load(text).get("groups", ()):
            yield from group["rules"]


ALERTS = [rule for rule in rules() if "alert" in rule]
EXPRESSIONS = [rule["expr"] for config in (Config(), CHANGED) for rule in rules(config)]


@pytest.mark.parametrize("config", [Config(), CHANGED], ids=["defaults", "changed"])
def test_promtool_finds_no_fault(config: Config, tmp_path: Path) -> None:
    """Rules and configuration pass every check and linter that promtool has."""
    written = render.write(tmp_path, prometheus.files(config))
    rule_files = [path for path in written if path.endswith(".yaml")]
    for arguments in (
        ("check", "rules", "--lint=all", "--lint-fatal", *rule_files),
        ("check", "config", "--lint=all", "--lint-fatal", "prometheus/prometheus.yml"),
    ):
        ran = subprocess.run(
            [program("promtool"), *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_series_is_recorded_twice() -> None:
    """Two rules of one name differ in their labels, whatever the windows."""
    for config in (Config(), CHANGED):
        found = Counter(
            (rule["record"], tuple(sorted(rule.get("labels", {}).items())))
            for rule in rules(config)
            if "record" in rule
        )
        # A budget for all that are not named has no label in the rule.
        twice = [key for key, times in found.items() if times > 1 and key != (recording.BUDGET, ())]
        assert not twice, twice


def test_every_alert_is_complete() -> None:
    """Severity, component, texts, links: an alert lacks nothing that a message shows."""
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), rule
        assert rule["labels"]["component"] in ("llm", "cost", "quality", "telemetry"), rule
        assert set(rule["annotations"]) - {"resolved"} == {
            "summary", "description", "value", "threshold", "runbook_url", "dashboard_url",
            "panel_id",
        }, rule  # fmt: skip
        for name, text in rule["annotations"].items():
            assert text.strip() == text, (rule["alert"], name)
            assert text, (rule["alert"], name)
            assert "None" not in text, (rule["alert"], name, text)


def test_every_alert_leads_to_a_panel() -> None:
    """The link names a panel of the list that dashboards are built from."""
    known = {
        (panel.dashboard, str(panel.id))
        for panel in vars(panels).values()
        if isinstance(panel, panels.Panel)
    }
    for rule in ALERTS:
        dashboard = rule["annotations"]["dashboard_url"].rpartition("/d/")[2]
        assert (dashboard, rule["annotations"]["panel_id"]) in known, rule["alert"]


def test_every_alert_has_a_runbook() -> None:
    """Each has a section of its own, with four parts, and no two say the same."""
    page = ROOT / "docs" / "alerts.md"
    sections = re.split(r"^### ", page.read_text(), flags=re.MULTILINE)[1:]
    assert len({section.partition("\n")[2] for section in sections}) == len(sections)
    names = {rule["alert"] for rule in ALERTS}
    assert {section.partition("\n")[0] for section in sections} == names
    for section in sections:
        parts = re.findall(r"^\*\*([\w ]+)\.\*\* \S", section, re.MULTILINE)
        assert parts == ["Meaning", "First look", "Likely causes", "Fix"], section[:60]
    for rule in ALERTS:
        assert rule["annotations"]["runbook_url"].partition("#")[2] in anchors(page), rule["alert"]


def test_every_alert_is_proven_to_fire_and_not_to() -> None:
    """Each alert, in each severity, fires in one case and is silent in another."""
    fired = {
        (case.alert, fires.severity)
        for case in CASES
        for firing in case.expect.values()
        for fires in firing
    }
    wanted = {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS}
    assert wanted == fired, sorted(wanted ^ fired)
    silent = {case.alert for case in CASES if not any(case.expect.values())}
    ends = {case.alert for case in CASES if not list(case.expect.values())[-1]}
    assert {name for name, _ in wanted} - silent - ends == {prometheus.WATCHDOG}


def _read(expression: str) -> tuple[set[str], set[str]]:
    """The metrics and the labels that an expression reads."""
    labels: set[str] = set()
    text = re.sub(r'"[^"]*"', '""', expression)
    for listed in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", text):
        labels |= {name.strip() for name in listed.split(",") if name.strip()}
    text = re.sub(r"\b(by|on|group_left) \([^)]*\)", " ", text)
    for matchers in re.findall(r"\{([^}]*)\}", text):
        labels |= set(re.findall(r"(\w+)\s*(?:=|!)", matchers))
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]|offset \w+", " ", text)
    names = set(re.findall(r"[a-z_][\w:]*(?![\w:]*\s*\()", text))
    words = {"and", "or", "unless", "bool"}
    functions = set(re.findall(r"([a-z_]\w*)\s*\(", text))
    return names - words - functions, labels - {"__name__"}


def test_rules_read_what_is_emitted() -> None:
    """A metric or label that nobody writes would make an alert that never fires."""
    emitted = {
        metric.prometheus + suffix
        for metric in (*semconv.FAMILY_A, *semconv.FAMILY_B_STEPS)
        for suffix in (("", "_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",))
    }
    recorded = {
        rule["record"]
        for config in (Config(), CHANGED)
        for rule in rules(config)
        if "record" in rule
    }
    foreign = COLLECTOR_METRICS | PROMETHEUS_METRICS | ALERTMANAGER_METRICS | {"up"}
    known = {label for metric in semconv.FAMILY_A for label in metric.labels}
    known |= {promql.label(name) for metric in semconv.FAMILY_B_STEPS for name in metric.labels}
    read: set[str] = set()
    for expression in EXPRESSIONS:
        names, labels = _read(expression)
        assert names <= emitted | recorded | foreign, (expression, names)
        assert labels <= known | PROMOTED | FOREIGN_LABELS | OWN_LABELS, (expression, labels)
        read |= names
    assert foreign <= read, sorted(foreign - read)


def _other_windows() -> Config:
    """Every window that an alert has is another, and no two are the same."""
    windowed = [alert.key for alert in alerts.ALERTS if alert.limits.window]
    given = {key: {"window": f"{61 + number}m"} for number, key in enumerate(windowed)}
    return Config(alerts=alerts.parse(given, "f"), budgets=Budgets(total=1))


@pytest.mark.parametrize("off", [False, True], ids=["on", "off"])
def test_every_window_that_is_read_is_recorded(off: bool) -> None:
    """Whatever the windows: alerts read nothing that nobody records, nor do dashboards."""
    config = _other_windows()
    if off:
        config = replace(config, alerts={alert.key: None for alert in alerts.ALERTS})
    recorded = {rule["record"] for rule in rules(config) if "record" in rule}
    boards = {
        path: json.loads(text)
        for path, text in grafana.files(config).items()
        if path.endswith(".json")
    }
    read = {name for rule in rules(config) for name in _read(rule["expr"])[0]}
    read |= {name for each in targets(boards) for name in names(each.expr)}
    missing = {name for name in read if ":" in name} - recorded
    assert not missing, missing


def test_a_window_of_a_new_alert_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alert that nobody listed anywhere else has the series that it reads."""
    read = [
        recording.requests("47m"), recording.errors("48m"), recording.error_ratio("49m"),
        recording.latency(99, "51m"), recording.first_chunk(50, "52m"),
    ]  # fmt: skip
    known = next(alert for alert in alerts.ALERTS if alert.key == "errors")
    added = [replace(known, condition=lambda *_, name=name: Condition(name)) for name in read]
    monkeypatch.setattr(alerts, "ALERTS", (*alerts.ALERTS, *added))
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    for name in read:
        needs = {part for part in _read(recorded[name])[0] if ":" in part}
        assert needs <= recorded.keys(), (name, needs - recorded.keys())


def test_limits_are_those_of_the_design() -> None:
    """The defaults that users were promised."""
    found = {
        alert.key: (limits.warning, limits.critical, limits.window, limits.minimum, limits.for_)
        for alert in alerts.ALERTS
        for limits in (alert.limits,)
    }
    assert found["latency"] == (5, 10, "10m", 20, "5m")
    assert found["errors"] == (0.03, 0.1, "10m", 20, "5m")
    assert found["rate_limited"] == found["timeouts"] == (0.05, None, "10m", 20, "5m")
    assert found["slo_1h"] == (None, 14.4, None, 50, "2m")
    assert found["slo_6h"] == (None, 6, None, 50, "2m")
    assert found["slo_1d"] == (3, None, None, 50, "2m")
    assert found["daily_cost"] == (1.2, 2, None, 1, "15m")
    assert found["tokens"][:2] == (1.5, 3)
    assert found["budget_projected"] == (0.8, 1, None, None, "1h")
    assert found["headroom"] == (0.1, None, "10m", None, "2m")
    assert found["insufficient_funds"] == (None, 0, "10m", None, "0s")
    assert found["unpriced"] == (0, None, "1h", None, "0s")
    assert found["success"] == (0.75, 0.5, "1h", 20, "10m")
    assert found["drift"] == (0.1, 0.25, "6h", 50, "30m")


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where the real programs below listen."""
    return {name: free_port() for name in ("prometheus", "alertmanager", "otlp", "collector")}


@pytest.fixture(scope="module")
def real_prometheus(
    tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]
) -> Iterator[str]:
    """A Prometheus on the very files, with targets and receivers that are not there."""
    place = tmp_path_factory.mktemp("prometheus")
    written = prometheus.files(CHANGED)
    server_file = "prometheus/prometheus.yml"
    written[server_file] = re.sub(
        r"- [a-z-]+:\d+$", "- 127.0.0.1:1", written[server_file], flags=re.M
    )
    render.write(place, written)
    url = f"http://127.0.0.1:{ports['prometheus']}"
    with Part(
        "prometheus",
        [
            f"--config.file={place / server_file}",
            f"--storage.tsdb.path={place / 'data'}",
            f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            *prometheus.FLAGS,
        ],
        ready=f"{url}/-/ready",
        log=place / "log",
    ):
        yield url


def test_a_real_prometheus_takes_the_files(real_prometheus: str) -> None:
    """The shipped configuration loads, with all rules, and the metrics that they read exist."""
    loaded = yaml.safe_load(fetch(f"{real_prometheus}/api/v1/rules"))["data"]["groups"]
    assert sum(len(group["rules"]) for group in loaded) == len(list(rules(CHANGED)))
    _export(f"{real_prometheus}/api/v1/otlp/v1/metrics", RECORDS["metrics"])  # from 1970
    # Counted from the first alert on, which is a minute away.
    later = {"prometheus_notifications_errors_total"}
    _finds(real_prometheus, PROMETHEUS_METRICS - later)


def test_a_real_alertmanager_has_the_metrics(tmp_path: Path, ports: dict[str, int]) -> None:
    """The names that the rules read are Alertmanager's."""
    config = {"route": {"receiver": "x"}, "receivers": [{"name": "x"}]}
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{ports['alertmanager']}"
    with Part(
        "alertmanager",
        [
            f"--config.file={tmp_path / 'alertmanager.yml'}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
            "--cluster.listen-address=",
        ],
        ready=f"{url}/-/ready",
        log=tmp_path / "log",
    ):
        _finds(url, ALERTMANAGER_METRICS)


def test_a_real_collector_has_the_metrics(tmp_path: Path, ports: dict[str, int]) -> None:
    """The names that the rules read are the Collector's, in the very state that they tell of."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections, never answers
        config = _failing_collector(ports, deaf.getsockname()[1])
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        url = f"http://127.0.0.1:{ports['collector']}"
        with Part(
            "otelcol",
            [f"--config={tmp_path / 'config.yaml'}"],
            ready=f"{url}/metrics",
            log=tmp_path / "log",
        ) as collector:
            for signal, body in 4 * list(RECORDS.items()):
                _export(f"http://127.0.0.1:{ports['otlp']}/v1/{signal}", body)
            _finds(url, COLLECTOR_METRICS)
            collector.kill()  # it would wait for the deaf end


def _failing_collector(ports: dict[str, int], deaf: int) -> dict[str, Any]:
    once = {"retry_on_failure": {"enabled": False}}
    small = {"queue_size": 1, "num_consumers": 1}
    listens = {"prometheus": {"host": "127.0.0.1", "port": ports["collector"]}}
    exporters = {
        "otlp_http/deaf": {"endpoint": f"http://127.0.0.1:{deaf}", "sending_queue": small, **once},
        "otlp_http/gone": {"endpoint": "http://127.0.0.1:1", **once},
    }
    pipeline = {"receivers": ["otlp"], "exporters": list(exporters)}
    return {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{ports['otlp']}"}}}},
        "exporters": exporters,
        "service": {
            "telemetry": {"metrics": {"readers": [{"pull": {"exporter": listens}}]}},
            "pipelines": dict.fromkeys(("traces", "metrics", "logs"), pipeline),
        },
    }


RECORDS = {
    "traces": (
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",'
        '"spanId":"eee19b7ec3c1b174","name":"x","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}'
    ),
    "metrics": (
        '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":'
        '[{"asInt":"1","timeUnixNano":"2"}]}}]}]}]}'
    ),
    "logs": '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}',
}


def _export(url: str, body: str) -> None:
    def sent() -> bool:
        try:
            fetch(url, body.encode(), {"Content-Type": "application/json"})
        except urllib.error.HTTPError:
            pass  # refused, as it should be here
        except OSError:
            return False  # it does not listen yet
        return True

    wait_for(sent, f"{url} takes a request")


def _finds(url: str, names: set[str]) -> None:
    """Each metric is there, within half a minute."""
    until = time.monotonic() + 30
    while True:
        text = fetch(f"{url}/metrics").decode()
        missing = {name for name in names if not re.search(rf"^{name}[{{ ]", text, re.MULTILINE)}
        if not missing:
            return
        if time.monotonic() > until:
            pytest.fail(f"{url} has no {sorted(missing)}")
        time.sleep(0.05)
