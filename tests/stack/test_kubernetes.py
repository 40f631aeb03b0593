"""What is generated for Kubernetes says the same as what Compose runs."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack.parts import ROOT, program

from llm_otel.stack import alertmanager, collector, grafana, kubernetes, prometheus
from llm_otel.stack.config import Config
from tools.binaries.build import SOURCES

FILES = kubernetes.files(Config())
TEMPO = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "tempo-values.yaml").read_text())
# Kubernetes refuses a larger ConfigMap.
LARGEST = 1_000_000
OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Fields of the operator's PrometheusRule, v0.93; it refuses others.
GROUP = {"name", "interval", "query_offset", "labels", "limit", "rules"}
RULE = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILES[f"deploy/kubernetes/{name}.yaml"]))


def test_the_collector_is_the_same() -> None:
    """The chart gets the Collector's own configuration and version, and nothing merges with it."""
    (values,) = documents("collector-values")
    assert values["alternateConfig"] == yaml.safe_load(
        collector.files(Config())["collector/config.yaml"]
    )
    assert values["image"]["tag"] == SOURCES["collector"].version
    assert "config" not in values
    # the chart takes what it finds between double braces for a template
    assert "{{" not in FILES["deploy/kubernetes/collector-values.yaml"]


def test_the_collector_finds_its_exporters() -> None:
    """Each address that a chart's release has differs from Compose's and is set."""
    (values,) = documents("collector-values")
    names = {each["name"] for each in values["extraEnvs"]}
    asked = re.findall(r"\$\{env:(\w+):-(?:http://)?(?:tempo|prometheus):", str(values))
    assert set(asked) == names


def test_the_queue_survives_a_pod() -> None:
    """What the exporters keep on disk is on a volume of its own, which the user may write."""
    (values,) = documents("collector-values")
    (mount,) = values["extraVolumeMounts"]
    (claim,) = values["statefulset"]["volumeClaimTemplates"]
    assert mount["name"] == claim["metadata"]["name"]
    folder = values["alternateConfig"]["extensions"]["file_storage/queue"]["directory"]
    assert mount["mountPath"] in folder
    assert values["podSecurityContext"]["fsGroup"] == values["securityContext"]["runAsUser"]


def test_rules_are_the_same(tmp_path: Path) -> None:
    """Each file of rules is one object, field for field, and promtool accepts what is in it."""
    found = prometheus.files(Config())
    paths = [path for path in found if re.match("prometheus/(rules|alerts)/", path)]
    objects = documents("rules")
    assert [each["spec"] for each in objects] == [yaml.safe_load(found[path]) for path in paths]
    written = []
    for each in objects:
        assert OBJECT_NAME.fullmatch(each["metadata"]["name"])
        for group in each["spec"]["groups"]:
            assert group.keys() <= GROUP
            assert all(rule.keys() <= RULE for rule in group["rules"])
        written.append(tmp_path / f"{each['metadata']['name']}.yaml")
        written[-1].write_text(yaml.safe_dump(each["spec"]))
    ran = subprocess.run(
        [program("promtool"), "check", "rules", *written], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_dashboards_are_the_same() -> None:
    """Each dashboard is one ConfigMap that Grafana's sidecar finds and Kubernetes accepts."""
    found = grafana.files(Config())
    expected = {Path(p).name: text for p, text in found.items() if p.endswith(".json")}
    data: dict[str, str] = {}
    for each in documents("dashboards"):
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert OBJECT_NAME.fullmatch(each["metadata"]["name"])
        assert len(json.dumps(each)) < LARGEST
        data.update(each["data"])
    assert data == expected


def test_prometheus_is_the_same() -> None:
    """Features, retention and the treatment of OTLP are those of the compose file."""
    (values,) = documents("metrics-values")
    spec = values["prometheus"]["prometheusSpec"]
    flags = set(prometheus.FLAGS)
    assert f"--storage.tsdb.retention.time={spec['retention']}" in flags
    assert f"--enable-feature={','.join(spec['enableFeatures'])}" in flags
    assert spec["enableOTLPReceiver"] is True
    assert spec["enableRemoteWriteReceiver"] is True
    server = yaml.safe_load(prometheus.files(Config())["prometheus/prometheus.yml"])
    assert spec["otlp"] == {
        "promoteResourceAttributes": server["otlp"]["promote_resource_attributes"],
        "translationStrategy": server["otlp"]["translation_strategy"],
        "keepIdentifyingResourceAttributes": server["otlp"]["keep_identifying_resource_attributes"],
    }
    assert spec["ruleQueryOffset"] == server["global"]["rule_query_offset"]


def test_alertmanager_is_the_same_and_starts(tmp_path: Path) -> None:
    """Routes and templates are those of the compose file; amtool accepts them with their paths."""
    config = Config()
    (values,) = documents("metrics-values")
    found = alertmanager.files(config)
    theirs = yaml.safe_load(found["alertmanager/alertmanager.yml"])
    ours = values["alertmanager"]["config"]
    assert ours["route"] == theirs["route"]
    assert ours["inhibit_rules"] == theirs["inhibit_rules"]
    assert "/run/secrets" not in str(ours)
    for name, text in values["alertmanager"]["templateFiles"].items():
        assert text == found[f"alertmanager/templates/{name}"]
        (tmp_path / name).write_text(text)
    ours["templates"] = [str(tmp_path / "*.tmpl")]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(ours))
    ran = subprocess.run(
        [program("amtool"), "check-config", tmp_path / "alertmanager.yml"],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("receiver", ["slack", "webhook"])
def test_secrets_are_where_alertmanager_looks(receiver: str) -> None:
    """A receiver that is chosen reads its secret from the folder that is mounted."""
    from llm_otel.stack.notify import SECRETS, Notify

    config = Config(notify=Notify(**{receiver: True}))
    values = yaml.safe_load(kubernetes.files(config)["deploy/kubernetes/metrics-values.yaml"])
    (mount,) = values["alertmanager"]["alertmanagerSpec"]["volumeMounts"]
    text = str(values["alertmanager"]["config"])
    assert f"{mount['mountPath']}/{SECRETS[receiver]}" in text


def test_grafana_has_the_same_trace_source() -> None:
    """Exemplars lead to Tempo, with the settings of the compose file."""
    (values,) = documents("metrics-values")
    provisioned = yaml.safe_load(
        grafana.files(Config())["grafana/provisioning/datasources/llm-otel.yaml"]
    )
    (theirs,) = (each for each in provisioned["datasources"] if each["uid"] == "tempo")
    (ours,) = values["grafana"]["additionalDataSources"]
    assert ours.pop("url") != theirs.pop("url")
    assert ours == theirs


def test_tempo_is_the_same() -> None:
    """Retention, buckets and processors are those of the single process."""
    single = yaml.safe_load((ROOT / "tempo" / "tempo.yaml").read_text())
    compaction = TEMPO["backendScheduler"]["config"]["provider"]["compaction"]["compaction"]
    assert (
        f":-{compaction['block_retention']}}}"
        in single["backend_worker"]["compaction"]["block_retention"]
    )
    ours = TEMPO["metricsGenerator"]["config"]["processor"]["service_graphs"]
    assert ours == single["metrics_generator"]["processor"]["service_graphs"]
    assert TEMPO["overrides"] == single["overrides"]
    assert TEMPO["reportingEnabled"] is False


def test_as_many_consumers_as_partitions() -> None:
    """Every partition of Kafka has its block builder and its live store."""
    partitions = TEMPO["ingest"]["kafka"]["auto_create_topic_default_partitions"]
    assert TEMPO["blockBuilder"]["replicas"] == TEMPO["liveStore"]["replicas"] == partitions
