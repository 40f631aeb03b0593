"""What the compose file starts that is not a program of others: script, image, Tempo's settings."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from stack.parts import ROOT

from llm_otel.cli.group import COMMANDS
from llm_otel.stack import static_files
from llm_otel.stack.doctor.files import MODES_MATTER

TEMPO = yaml.safe_load((ROOT / "tempo" / "tempo.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# Sections of Tempo 2 that Tempo 3 refuses to start with.
GONE = {"ingester", "ingester_client", "compactor", "mem-ballast-size-mbs"}


@pytest.fixture
def prepared(tmp_path: Path) -> Any:
    """Runs the script as often as it is called; returns the password that Grafana gets."""
    for name in ("given", "volumes/collector", "volumes/lake", "volumes/grafana", "bin"):
        (tmp_path / name).mkdir(parents=True)
    log = tmp_path / "chown.log"
    chown = tmp_path / "bin" / "chown"
    chown.write_text(f'#!/bin/sh\necho "$1 ${{2##*/}}" >> {log}\n')
    chown.chmod(0o755)
    environment = {
        "PATH": f"{chown.parent}:{os.environ['PATH']}",
        "GIVEN": str(tmp_path / "given"),
        "VOLUMES": str(tmp_path / "volumes"),
    }

    def run() -> str:
        script = ["sh", str(ROOT / "deploy" / "prepare.sh")]
        ran = subprocess.run(script, env=environment, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        return (tmp_path / "volumes" / "grafana" / "admin_password").read_text()

    return run


def test_a_password_is_made_once(prepared: Any, tmp_path: Path) -> None:
    """Without a password of the user's there is one that nobody could guess, and it stays."""
    first = prepared()
    assert re.fullmatch(r"[A-Za-z0-9]{32}", first)
    assert prepared() == first
    file = tmp_path / "volumes" / "grafana" / "admin_password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    assert list(file.parent.iterdir()) == [file]
    chowned = (tmp_path / "chown.log").read_text().splitlines()
    owners = ["10001:10001 collector", "10001:10001 lake"]
    assert chowned == [*owners, "472:0 admin_password.new", *owners]


def test_the_users_password_wins(prepared: Any, tmp_path: Path) -> None:
    """A password given later takes the place of the one that was made."""
    prepared()
    (tmp_path / "given" / "admin_password").write_text("chosen by hand")
    assert prepared() == "chosen by hand"


def test_another_user_may_not_read_the_script_away() -> None:
    """The script is readable to the container, whatever else runs there."""
    assert not MODES_MATTER or (ROOT / "deploy" / "prepare.sh").stat().st_mode & 0o004


def test_tempo_has_no_setting_of_version_2() -> None:
    """No section is there that Tempo 3 does not know."""
    assert not GONE & TEMPO.keys()
    assert "query_ingesters_until" not in TEMPO["query_frontend"]["search"]


def test_tempo_keeps_and_forgets() -> None:
    """One variable says how long traces are kept and can be searched: 14 days by default."""
    worker = TEMPO["backend_worker"]["compaction"]["block_retention"]
    scheduler = TEMPO["backend_scheduler"]["provider"]["compaction"]["compaction"]
    assert worker == "${TRACE_RETENTION:-336h}"
    assert scheduler["block_retention"] == worker
    assert TEMPO["query_frontend"]["search"]["max_duration"] == worker


def test_tempo_tells_nobody_and_draws_the_graph() -> None:
    """No report goes out; the service graph goes to Prometheus, and nothing else is derived."""
    assert TEMPO["usage_report"] == {"reporting_enabled": False}
    defaults = TEMPO["overrides"]["defaults"]["metrics_generator"]
    assert defaults["processors"] == ["service-graphs"]
    (write,) = TEMPO["metrics_generator"]["storage"]["remote_write"]
    assert write == {"url": "http://prometheus:9090/api/v1/write", "send_exemplars": True}


def test_tempo_keeps_its_data_on_the_volume() -> None:
    """Every path is on the volume, as nothing else can be written."""
    paths = re.findall(r"(?:path|dir): (/\S+)", (ROOT / "tempo" / "tempo.yaml").read_text())
    assert len(paths) >= 5
    assert all(path.startswith("/var/tempo") for path in paths), paths


def test_the_image_is_pinned_and_runs_as_nobody_special() -> None:
    """Both stages start from one exact tag, and the program is not root."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases[0])
    assert "USER 10001:10001" in DOCKERFILE
    assert "PIP_NO_CACHE_DIR=1" in DOCKERFILE


def test_what_is_copied_into_the_image_reaches_the_build() -> None:
    """The ignore file lets through what the wheel is built of, and nothing that may be a secret."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    text = (ROOT / ".dockerignore").read_text()
    ignore = [line for line in text.splitlines() if not line.startswith("#")]
    assert ignore[0] == "*"
    through = [line[1:] for line in ignore if line.startswith("!")]
    assert all(list(ROOT.glob(pattern)) for pattern in through)

    def reaches(path: str) -> bool:
        """Whether the last line that names the path, or a folder above it, lets it through."""
        places = [path, *(each.as_posix() for each in PurePosixPath(path).parents)]
        last = [line for line in ignore for each in places if fnmatch(each, line.lstrip("!"))][-1]
        return last.startswith("!")

    built_of = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src",
                "docs/stack.md")  # fmt: skip
    needed = {*built_of, *static_files.files(), *(word for line in copied for word in line.split())}
    assert [path for path in needed - {"."} if not reaches(path)] == []
    private = (".env", "llm-otel.yaml", "secrets/grafana/admin_password", ".git", ".venv")
    assert [path for path in private if reaches(path)] == []


def test_commands_of_the_workflow_exist() -> None:
    """The workflow runs commands that there are, and starts what the compose file holds."""
    text = (ROOT / ".github" / "workflows" / "stack.yml").read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    ours = re.findall(r"llm-otel (\w+)", text)
    assert {"doctor", "canary"} <= set(ours) <= set(COMMANDS)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    asked = re.findall(r"(?:exec -T|run --rm --no-deps|logs) ([a-z]+[a-z-]*)", text)
    assert asked
    assert set(asked) <= set(services)
