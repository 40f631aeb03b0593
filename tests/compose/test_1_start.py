"""A clean clone starts with no edit, and everything in it is as the page says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from compose.stack import Command, Stack, ask
from stack.parts import fetch

ONCE = {"prepare"}  # runs, and ends
ALERT = {
    "labels": {"alertname": "LLMErrorShareHigh", "severity": "critical", "model": "gpt-4o"},
    "annotations": {"summary": "25 % of the calls fail"},
}


@pytest.fixture(scope="session")
def doctor(stack: Stack) -> Command:
    """What the doctor says right after the start."""
    return stack.begin("doctor right after up", "llm-otel", "doctor", "--json")


@pytest.fixture(scope="session")
def canary(stack: Stack, doctor: Command) -> Command:
    """The canary, beside all that is looked at meanwhile."""
    return stack.begin(
        "canary", "llm-otel", "canary",
        f"--endpoint={stack.url('OTLP_HTTP')}",
        f"--grpc-endpoint=127.0.0.1:{stack.ports['OTLP_GRPC']}",
        f"--prometheus={stack.url('PROMETHEUS')}",
        f"--alertmanager={stack.url('ALERTMANAGER')}",
        f"--tempo={stack.url('TEMPO')}",
    )  # fmt: skip


def test_it_is_healthy_from_a_clean_clone(stack: Stack) -> None:
    """One command, no credential, no edit; half a minute with the images there."""
    built = stack.compose("build")
    assert built.returncode == 0, built.stderr[-3000:]
    stack.note("up --wait", stack.up())
    # a machine that is busy with more than this takes longer, and nothing is wrong with the file
    assert stack.figures["up --wait"] < 90
    states = {name: each["State"] for name, each in stack.containers().items()}
    assert {name for name, state in states.items() if not state["Running"]} == ONCE
    assert states["prepare"]["ExitCode"] == 0


def test_the_doctor_is_content_at_once(doctor: Command, canary: Command, stack: Stack) -> None:
    """Right after `up` every check is green, whatever Prometheus saw while others started."""
    kind = {"Content-Type": "application/json"}
    fetch(f"{stack.url('ALERTMANAGER')}/api/v2/alerts", json.dumps([ALERT]).encode(), kind)
    assert stack.compose("--profile", "sample", "up", "--detach", "sample").returncode == 0
    output, _, code = doctor.result()
    assert [each for each in json.loads(output)["checks"] if each["state"] == "failed"] == []
    assert code == 0


def test_the_heartbeat_of_prometheus_reaches_the_page(stack: Stack) -> None:
    """The alert that always fires goes all the way from the rules to the page."""
    page = f"{stack.url('NOTIFICATIONS')}/"
    ask(lambda: b"beat alive" in fetch(page), 120, "a heartbeat on the page")


def test_a_second_start_changes_nothing(stack: Stack) -> None:
    """Neither a registry nor a build is asked for, and no container is made anew."""
    before = {name: each["Id"] for name, each in stack.containers().items()}
    ran = stack.compose("up", "--detach", "--wait")
    assert ran.returncode == 0, ran.stderr
    assert not any(word in ran.stderr for word in ("Pulling", "Building", "Built"))
    assert {name: each["Id"] for name, each in stack.containers().items()} == before


def test_every_container_is_confined(stack: Stack) -> None:
    """Users, capabilities, file systems and limits are the engine's own, not only the file's."""
    for name, each in stack.containers().items():
        host, config = each["HostConfig"], each["Config"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] > 0, name
        assert host["MemorySwap"] == host["Memory"], f"{name} may swap beyond its limit"
        assert host["PidsLimit"], name
        assert host["NanoCpus"], name
        assert config["User"].partition(":")[0] not in ("", "0", "root") or name in ONCE, name
        assert not each["State"]["OOMKilled"], name
        assert each["RestartCount"] == 0, name


def test_the_kernel_confines_them(stack: Stack) -> None:
    """No process has a capability, and none is root."""
    pids = {n: c["State"]["Pid"] for n, c in stack.containers().items() if c["State"]["Running"]}
    pages = stack.on_host("; ".join(f"cat /proc/{pid}/status" for pid in pids.values()))
    for name, page in zip(pids, pages.split("Name:\t")[1:], strict=True):
        status = dict(line.split(":\t", 1) for line in page.splitlines() if ":\t" in line)
        assert int(status["CapEff"], 16) == 0, name
        assert status["Uid"].split()[0] != "0", name
        assert status["NoNewPrivs"] == "1", name


def test_ports_are_on_loopback_only(stack: Stack) -> None:
    """What the engine publishes listens on 127.0.0.1 and nowhere else."""
    published = [
        binding
        for each in stack.containers().values()
        for bindings in (each["NetworkSettings"]["Ports"] or {}).values()
        for binding in bindings or ()
    ]
    assert len(published) >= 9
    assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}


def test_the_programs_accept_their_configuration(stack: Stack) -> None:
    """Each program's own check, in its container, with the files that it runs with."""
    for service, *command in (
        ("prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml"),
        ("alertmanager", "amtool", "check-config", "/etc/alertmanager/alertmanager.yml"),
    ):
        ran = stack.compose("exec", "-T", service, *command)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    options = (
        "-config.file=/etc/tempo/tempo.yaml",
        "-config.expand-env=true",
        "-config.verify=true",
    )
    ran = stack.compose("run", "--rm", "--no-deps", "tempo", *options)
    assert ran.returncode == 0, ran.stderr


def test_the_sample_is_seen_everywhere(stack: Stack) -> None:
    """The calls of the sample application are in Prometheus, in Tempo and in the lake."""
    calls = 'sum(gen_ai_request_duration_seconds_count{service_name="assistant"}) > 0'
    ask(lambda: stack.query(calls), 120, "the sample in Prometheus")
    ask(lambda: stack.traces("assistant"), 60, "the sample in Tempo")
    rows = "SELECT count(*) n, sum(cost_usd) usd FROM calls WHERE service_name = 'assistant'"
    found = ask(lambda: [row for row in stack.sql(rows) if row["n"]], 60, "the sample in the lake")
    assert found[0]["usd"] > 0
    assert stack.compose("--profile", "sample", "rm", "--stop", "--force", "sample").returncode == 0


def test_an_alert_lands_on_the_page(stack: Stack) -> None:
    """Alertmanager sends what fires to the page, which still shows it after a restart."""

    def messages() -> list[Any]:
        found = json.loads(fetch(f"{stack.url('NOTIFICATIONS')}/api/messages"))
        return [each for each in found if ALERT["annotations"]["summary"] in json.dumps(each)]

    (first, *_) = ask(messages, 90, "the message on the page")
    assert first["severity"] == "critical"
    assert stack.compose("restart", "notifications").returncode == 0
    assert ask(messages, 30, "the message after a restart")[-1] == first


def test_the_canary_is_content(canary: Command) -> None:
    """Thousands of secrets go in at every place of OTLP, and none comes out."""
    output, errors, code = canary.result()
    assert code == 0, output + errors


def test_grafana_provisioned_everything_once(stack: Stack) -> None:
    """No dashboard and no data source was refused."""
    log = stack.compose("logs", "grafana").stdout
    assert "same uid" not in log
    assert "level=error" not in log
