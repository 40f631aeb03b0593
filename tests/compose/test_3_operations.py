"""What somebody does with a running stack: mistakes, secrets, an upgrade."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import yaml
from compose.stack import Stack
from stack.parts import fetch

SETTINGS = {
    "alerts": {"latency": {"warning": 7, "critical": 11}},
    "notify": {"webhook": True},
}
# One file that each program reads at its start only.
READ_ONCE = (
    "collector/config.yaml", "prometheus/prometheus.yml", "alertmanager/alertmanager.yml",
    "tempo/tempo.yaml", "grafana/provisioning/datasources/llm-otel.yaml",
)  # fmt: skip


def test_a_broken_collector_is_not_healthy_and_a_mended_one_is(stack: Stack) -> None:
    """`up --wait` tells a Collector that restarts for ever, and does not remember it after."""
    stack.variables["COLLECTOR_CONTENT"] = "contents"
    before = stack.run("llm-otel", "doctor", "--before")
    ran = stack.compose("up", "--detach", "--wait")
    del stack.variables["COLLECTOR_CONTENT"]
    assert "collector/overlays/contents.yaml, which does not exist" in before.stdout
    assert ran.returncode != 0, ran.stderr
    assert "collector-ready-1 is unhealthy" in ran.stderr
    stack.note("up --wait after the Collector was mended", stack.up())


@pytest.mark.slow
def test_a_collector_that_a_restart_breaks_is_not_healthy(stack: Stack) -> None:
    """The same without a new container: its file is broken, and mended, and it is restarted."""
    path = stack.folder / "collector" / "config.yaml"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\nnonsense: 1\n")
    assert stack.compose("restart", "otel-collector").returncode == 0
    ran = stack.compose("up", "--detach", "--wait")
    path.write_bytes(whole)
    assert ran.returncode != 0, ran.stderr
    assert stack.compose("restart", "otel-collector").returncode == 0
    stack.up()


def _failures(stack: Stack, *options: str) -> list[str]:
    ran = stack.run("llm-otel", "doctor", "--json", *options)
    return [each["text"] for each in json.loads(ran.stdout)["checks"] if each["state"] == "failed"]


def test_a_secret_that_its_container_cannot_read_is_named(stack: Stack) -> None:
    """Before the start, with the command that mends it; after it the container reads the secret."""
    (stack.folder / "llm-otel.yaml").write_text(yaml.safe_dump(SETTINGS))
    rendered = stack.run("llm-otel", "render", "--config", "llm-otel.yaml")
    assert rendered.returncode == 0, rendered.stderr
    secret = stack.folder / "secrets" / "alertmanager" / "webhook_url"
    secret.write_text("http://notifications:8025/alerts")
    secret.chmod(0o600)
    cannot = "Alertmanager (user 65534) cannot read secrets/alertmanager/webhook_url"
    assert _failures(stack, "--before") == [cannot]
    secret.chmod(0o644)
    (stack.folder / "secrets").chmod(0o700)
    assert _failures(stack, "--before") == []


def test_an_upgrade_loads_what_was_rendered(stack: Stack) -> None:
    """The doctor names each program that runs with older files; the page's commands load them.

    They build no image anew for files that it does not hold.
    """
    for name in READ_ONCE:
        os.utime(stack.folder / name)
    late = [text for text in _failures(stack) if "was written later" in text]
    programs = ("The Collector", "Prometheus", "Alertmanager", "Tempo", "Grafana")
    assert [text.partition(" runs with")[0] for text in late] == list(programs)

    image = stack.containers()["notifications"]["Image"]
    stack.note("the upgrade", stack.up("--build", "--force-recreate"))
    assert stack.containers()["notifications"]["Image"] == image
    assert _failures(stack) == []
    rules: Any = json.loads(fetch(f"{stack.url('PROMETHEUS')}/api/v1/rules?type=alert"))
    latency = [
        rule["query"]
        for group in rules["data"]["groups"]
        for rule in group["rules"]
        if rule["name"] == "LLMLatencyHigh"
    ]
    assert latency
    assert all("> 7" in query or "> 11" in query for query in latency), latency
    config = json.loads(fetch(f"{stack.url('ALERTMANAGER')}/api/v2/status"))["config"]["original"]
    assert "url_file: /run/secrets/webhook_url" in config
    read = stack.compose("exec", "-T", "alertmanager", "cat", "/run/secrets/webhook_url")
    assert read.stdout == "http://notifications:8025/alerts"
