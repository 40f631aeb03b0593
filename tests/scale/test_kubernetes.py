"""What is generated for Kubernetes is what its own schemas, and those of the operator, allow."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from llm_otel.stack import kubernetes
from llm_otel.stack.config import Config
from tools.binaries.build import module_folder

pytestmark = pytest.mark.slow

KUBERNETES = "1.33"
# Of the chart kube-prometheus-stack 88.
OPERATOR = ("github.com/prometheus-operator/prometheus-operator", "v0.93.1")
CRDS = "example/prometheus-operator-crd/monitoring.coreos.com_{}.yaml"
FILES = kubernetes.files(Config())
# What the chart takes and translates; all else it hands on to the operator as it stands.
CHARTS_OWN = {
    "additionalArgs",
    "ruleSelectorNilUsesHelmValues",
    "serviceMonitorSelectorNilUsesHelmValues",
    "storageSpec",
}

Json = dict[str, Any]


def documents(name: str) -> list[Json]:
    return list(yaml.safe_load_all(FILES[f"deploy/kubernetes/{name}.yaml"]))


def schema(kind: str) -> Json:
    """The operator's schema of a resource, which refuses unknown fields."""
    definition = yaml.safe_load((module_folder(*OPERATOR) / CRDS.format(kind)).read_text())
    (version,) = (v for v in definition["spec"]["versions"] if v["storage"])
    return strict(version["schema"]["openAPIV3Schema"])


def strict(node: Any) -> Any:
    """A schema in which an object has no fields but those that it names.

    Patterns are Go's, where a flag may follow `^`.
    """
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {key: strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "type" in node:
        closed.setdefault("additionalProperties", False)
    if isinstance(node.get("pattern"), str):
        closed["pattern"] = node["pattern"].replace("^(?i)", "(?i)^")
    return closed


@pytest.fixture(scope="module")
def rule_schema() -> Json:
    whole = schema("prometheusrules")
    # what every object has, which the definition leaves to Kubernetes
    whole["properties"]["metadata"] = {"type": "object"}
    return whole


def test_rules_are_what_the_operator_takes(rule_schema: Json) -> None:
    """Each file of rules is a PrometheusRule, with no field that the operator does not know."""
    objects = documents("rules")
    assert objects
    for each in objects:
        jsonschema.validate(each, rule_schema)


def test_a_rule_with_a_wrong_field_is_refused(rule_schema: Json) -> None:
    """The schema sees a name that is wrong, and a value of a wrong type."""
    for change in ({"fro": "5m"}, {"for": 5}, {"for": "five minutes"}):
        broken = copy.deepcopy(documents("rules")[0])
        broken["spec"]["groups"][0]["rules"][0].update(change)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, rule_schema)


def test_dashboards_are_what_kubernetes_takes() -> None:
    """Each dashboard is a ConfigMap by the schema of Kubernetes, with no field beyond it."""
    objects = documents("dashboards")
    assert objects
    for each in objects:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_prometheus_is_what_the_operator_takes() -> None:
    """What the chart hands on of Prometheus's values is a Prometheus of the operator."""
    (values,) = documents("metrics-values")
    spec = values["prometheus"]["prometheusSpec"]
    assert spec.keys() >= CHARTS_OWN
    handed_on = {key: value for key, value in spec.items() if key not in CHARTS_OWN}
    jsonschema.validate(handed_on, schema("prometheuses")["properties"]["spec"])


def test_alertmanager_is_what_the_operator_takes() -> None:
    """So is Alertmanager, with the volumes of its secrets."""
    (values,) = documents("metrics-values")
    spec = values["alertmanager"]["alertmanagerSpec"]
    jsonschema.validate(spec, schema("alertmanagers")["properties"]["spec"])


def test_volumes_of_the_collector_are_claims() -> None:
    """What the chart hands on as claims and contexts is what Kubernetes takes in a StatefulSet."""
    (values,) = documents("collector-values")
    labels = {"app": "otel-collector"}
    container = {
        "name": "collector",
        "image": f"{values['image']['repository']}:{values['image']['tag']}",
        "env": values["extraEnvs"],
        "resources": values["resources"],
        "securityContext": values["securityContext"],
        "volumeMounts": values["extraVolumeMounts"],
    }
    pod = {"securityContext": values["podSecurityContext"], "containers": [container]}
    kubernetes_validate.validate(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": values["fullnameOverride"]},
            "spec": {
                "replicas": values["replicaCount"],
                "serviceName": values["fullnameOverride"],
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
                "volumeClaimTemplates": values["statefulset"]["volumeClaimTemplates"],
            },
        },
        KUBERNETES,
        strict=True,
    )
