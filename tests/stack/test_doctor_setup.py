"""`llm-otel doctor --before`: what can be wrong before the stack is started."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from stack.doctor_stage import Web, grafana_pages
from stack.parts import ROOT, free_port, program

from llm_otel.stack.config import Config
from llm_otel.stack.doctor import compose
from llm_otel.stack.doctor.examination import Question, examine
from llm_otel.stack.doctor.files import MODES_MATTER
from llm_otel.stack.doctor.result import Result, State
from llm_otel.stack.render import files, write

SLACK = "notify:\n  slack: true\n"
SECRET = "secrets/alertmanager/slack_webhook_url"
KEY = "secrets/collector/user_id_key"
needs_modes = pytest.mark.skipif(not MODES_MATTER, reason="Docker ignores modes on this system")


@pytest.fixture(scope="module")
def as_shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stack as it comes."""
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copy(ROOT / "docker-compose.yml", folder)
    for name in ("tempo", "deploy", "secrets"):
        shutil.copytree(ROOT / name, folder / name, ignore=_only_examples)
    write(folder, files(Config()))
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture
def project(as_shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, on free ports, and no Docker."""
    shutil.copytree(as_shipped, tmp_path, dirs_exist_ok=True)
    ports = [name for name in _variables() if name.endswith("_PORT")]
    (tmp_path / ".env").write_text("".join(f"{name}={free_port()}\n" for name in ports))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in _variables():
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _only_examples(folder: str, names: list[str]) -> list[str]:
    inside = [name for name in names if Path(folder, name).is_file()]
    secret = Path(folder).parent.name == "secrets"
    return [name for name in inside if secret and not name.endswith(".example")]


def _variables() -> list[str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return [line[1:].partition("=")[0] for line in lines if line.startswith("#") and "=" in line]


def look(project: Path) -> list[Result]:
    return list(examine(Question(project, before=True)))


def failures(project: Path) -> list[str]:
    return [f"{r.text}. {r.todo}" for r in look(project) if r.state is State.FAILED]


def put(project: Path, path: str, text: str, mode: int = 0o644) -> Path:
    target = project / path
    target.write_text(text)
    target.chmod(mode)
    return target


def test_as_it_comes(project: Path) -> None:
    """Without a credential, an edit or Docker nothing fails; what is missing is said."""
    found = look(project)
    assert failures(project) == []
    warnings = [each.text for each in found if each.state is State.WARNING]
    assert [text.partition(":")[0] for text in warnings] == [
        "Docker Compose is not installed",
        "Links in messages lead to http",
        "No receiver is chosen",
    ]
    free = [each.text for each in found if each.area == "ports"]
    assert len(free) == len(_free(project))
    assert all(" is free for " in text for text in free), free


def _others(project: Path) -> str:
    """What `.env` says already."""
    return (project / ".env").read_text()


def _free(project: Path) -> list[str]:
    return (project / ".env").read_text().split()


def chosen(project: Path) -> None:
    """Slack is chosen, and rendered."""
    put(project, "llm-otel.yaml", SLACK)
    write(project, files(Config.load(project / "llm-otel.yaml")))


def taken(project: Path) -> socket.socket:
    """Somebody else listens where Grafana wants to."""
    port = next(line for line in _free(project) if line.startswith("GRAFANA_PORT"))
    return socket.create_server(("127.0.0.1", int(port.partition("=")[2])))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder is missing": (
        lambda p: shutil.rmtree(p / "tempo"),
        "tempo mounts tempo, which does not exist. Take it from the repository: "
        "git checkout -- tempo",
    ),
    "a folder of `init` lacks one": (
        lambda p: (put(p, "deploy/llm-otel.txt", "llm-otel==1\n"), shutil.rmtree(p / "tempo")),
        "tempo mounts tempo, which does not exist. Write it: llm-otel init /",
    ),
    "the file is no YAML": (
        lambda p: put(p, "docker-compose.yml", "services: ["),
        "cannot be read as a compose file",
    ),
    "the file is none for Compose": (
        lambda p: put(p, "docker-compose.yml", "- services"),
        "cannot be read as a compose file",
    ),
    "a port is no number": (
        lambda p: put(p, ".env", "GRAFANA_PORT=three\n"),
        "GRAFANA_PORT must be a port, not 'three'. Mend the file, or give another --folder.",
    ),
    "llm-otel.yaml is wrong": (
        lambda p: put(p, "llm-otel.yaml", "notify:\n  slak: true\n"),
        "slak",
    ),
    "a secret is missing": (
        chosen,
        f"Messages shall go to slack, and {SECRET} is missing or empty. "
        f"Write it; {SECRET}.example shows the form.",
    ),
    "a secret is empty": (
        lambda p: (chosen(p), put(p, SECRET, "")),
        f"{SECRET} is missing or empty",
    ),
    "the key is short": (
        lambda p: put(p, KEY, "too short\n"),
        f"The key for user ids in {KEY} has 9 bytes, 32 are needed. "
        f"Make one: openssl rand -hex 32 > {KEY}",
    ),
    "an overlay is not there": (
        lambda p: put(p, ".env", _others(p) + "COLLECTOR_CONTENT=true\n"),
        "otel-collector shall read collector/overlays/true.yaml, which does not exist. "
        "Set COLLECTOR_… in .env to one of analytics, content, kafka, kafka-tier2, off, ",
    ),
    "the key is missing": (
        lambda p: put(p, ".env", _others(p) + "COLLECTOR_USER_ID=user-hash\n"),
        f"The Collector shall hash user ids, and the key in {KEY} is missing. "
        f"Make one: openssl rand -hex 32 > {KEY}",
    ),
    "a port is taken": (taken, "which grafana wants, is taken by another program"),
}
MODES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file cannot be read": (
        lambda p: (p / "tempo" / "tempo.yaml").chmod(0o600),
        "tempo (user 10001) cannot read tempo/tempo.yaml. chmod a+r tempo/tempo.yaml",
    ),
    "a folder cannot be read": (
        lambda p: (p / "prometheus" / "rules").chmod(0o700),
        "prometheus (user 65534) cannot read prometheus/rules. chmod a+rX prometheus/rules",
    ),
    "a secret cannot be read": (
        lambda p: (chosen(p), put(p, SECRET, "https://x", 0o600)),
        f"Alertmanager (user 65534) cannot read {SECRET}. chmod 644 {SECRET}",
    ),
    "the key cannot be read": (
        lambda p: put(p, KEY, "k" * 64, 0o600),
        f"The Collector (user 10001) cannot read {KEY}",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(project: Path, name: str) -> None:
    """Each mistake has one sentence that says what, where, and what to do."""
    _said(project, *WRONG[name])


@needs_modes
@pytest.mark.parametrize("name", MODES)
def test_what_cannot_be_read_is_said(project: Path, name: str) -> None:
    """A file that a container's user may not read is named, with the command that mends it."""
    _said(project, *MODES[name])


def _said(project: Path, break_: Callable[[Path], object], expected: str) -> None:
    kept = break_(project)
    found = failures(project)
    assert len(found) == 1, found
    assert expected in found[0]
    if isinstance(kept, socket.socket):
        kept.close()


@needs_modes
def test_secrets_that_everybody_can_read(project: Path) -> None:
    """A good secret is confirmed; that the whole machine can read it is said."""
    chosen(project)
    put(project, SECRET, "https://hooks.slack.com/services/T/B/X\n")
    put(project, KEY, "k" * 64 + "\n")
    found = {each.text: each for each in look(project)}
    assert found[f"slack has its secret, {SECRET}"].state is State.OK
    assert found["The key for user ids has 64 bytes"].state is State.OK
    assert found["Every user of this machine can read what is in secrets/"].todo == (
        "chmod 700 secrets (the containers still can)."
    )
    (project / "secrets").chmod(0o700)
    assert not [each for each in look(project) if "Every user" in each.text]
    assert not [each for each in look(project) if "hooks.slack.com" in each.text + each.todo]


def test_a_secret_that_nobody_reads(project: Path) -> None:
    """A secret without its receiver is pointed out, as somebody expects messages there."""
    put(project, SECRET, "https://hooks.slack.com/services/T/B/X\n")
    found = [each for each in look(project) if each.text.startswith(SECRET)]
    assert [each.state for each in found] == [State.WARNING]
    assert "Choose slack under notify: in llm-otel.yaml" in found[0].todo


def test_files_that_were_not_rendered(project: Path) -> None:
    """A change of llm-otel.yaml that was not rendered is pointed out."""
    put(project, "llm-otel.yaml", SLACK)
    found = [each for each in look(project) if "differ" in each.text]
    assert [(each.state, each.todo) for each in found] == [
        (State.WARNING, "Write them: llm-otel render.")
    ]


def test_links_follow_the_port_of_grafana(project: Path) -> None:
    """That Grafana is elsewhere than messages say is pointed out until llm-otel.yaml says it."""
    put(project, ".env", "GRAFANA_PORT=3999\n")
    (found,) = [each for each in look(project) if each.text.startswith("Links in messages")]
    assert found.state is State.WARNING
    assert found.text == "Links in messages lead to http://localhost:3000, where no service is"
    put(project, "llm-otel.yaml", "grafana_url: http://localhost:3999\n")
    assert not [each for each in look(project) if each.text.startswith("Links in messages")]


def test_a_port_of_ours(project: Path) -> None:
    """A port that our own service holds is no conflict."""
    web = Web(grafana_pages())
    threading.Thread(target=web.server.serve_forever, daemon=True).start()
    put(project, ".env", f"GRAFANA_PORT={web.server.server_port}\n")
    found = [each for each in look(project) if str(web.server.server_port) in each.text]
    web.server.shutdown()
    web.server.server_close()
    assert [each.state for each in found] == [State.OK], found


def test_the_collectors_port_is_known_by_its_health_port(project: Path) -> None:
    """OTLP does not say whose its port is: the health does, on whatever port that is."""
    health, otlp = Web({"/": (200, '{"status":"Server available"}')}), Web({})
    variables = ("COLLECTOR_HEALTH_PORT", health), ("OTLP_HTTP_PORT", otlp)
    for _, web in variables:
        threading.Thread(target=web.server.serve_forever, daemon=True).start()
    put(project, ".env", "".join(f"{name}={w.server.server_port}\n" for name, w in variables))
    ours = [str(web.server.server_port) for _, web in variables]
    found = [each for each in look(project) if any(port in each.text for port in ours)]
    for _, web in variables:
        web.server.shutdown()
        web.server.server_close()
    assert [each.state for each in found] == [State.OK, State.OK], found


@pytest.fixture
def real_compose(project: Path) -> Path:
    """Compose itself is on PATH."""
    (project / "bin").mkdir()
    (project / "bin" / "docker-compose").symlink_to(program("docker-compose"))
    return project


def test_compose_is_asked(real_compose: Path) -> None:
    """Where Compose is installed it has the word on the file."""
    (found,) = [each for each in look(real_compose) if each.area == "compose"]
    assert found.text == "Compose accepts docker-compose.yml and the environment"


def test_compose_refuses(real_compose: Path) -> None:
    """What Compose says of a wrong environment is passed on in one line."""
    put(real_compose, ".env", "A LINE\n")
    (found,) = failures(real_compose)
    assert found.startswith("Compose refuses the file: "), found
    assert found.endswith("key cannot contain a space. Mend docker-compose.yml or .env."), found


@pytest.mark.parametrize("env", ["", "GRAFANA_PORT=3999\nTEMPO_PORT='3998'\n"])
def test_the_file_is_read_as_compose_reads_it(project: Path, env: str) -> None:
    """Ports, users and mounts are the ones that Compose sees."""
    put(project, ".env", env)
    command = [program("docker-compose"), "--profile", "*", "config", "--format", "json"]
    clean = {name: value for name, value in os.environ.items() if name not in _variables()}
    ran = subprocess.run(command, cwd=project, capture_output=True, text=True, env=clean)
    expected = json.loads(ran.stdout)["services"]
    found = compose.read(project)
    assert sorted(found) == sorted(expected)
    for name, service in expected.items():
        ours = found[name]
        ports = {port["target"]: int(port["published"]) for port in service.get("ports", [])}
        assert dict(ours.ports) == ports, name
        assert f"{ours.uid}:{ours.gid}" == service["user"], name
        binds = {v["source"] for v in service.get("volumes", []) if v["type"] == "bind"}
        assert {os.path.normpath(path) for path in ours.binds} == binds, name
