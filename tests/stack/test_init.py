"""`llm-otel init`, `up`, `down` and `status` as a user runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stack.parts import ROOT

from llm_otel.stack.folder import RECORD, VERSION
from llm_otel.version import __version__

COMPOSE = "docker-compose.yml"
RULES = "prometheus/alerts/llm.yaml"


def run(
    *arguments: str | Path, cwd: Path, path: str | None = None, umask: int = -1
) -> subprocess.CompletedProcess[str]:
    """Run `llm-otel`; `path` takes the place of PATH."""
    return subprocess.run(
        [sys.executable, "-m", "llm_otel", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "500", **({} if path is None else {"PATH": path})},
        capture_output=True,
        text=True,
        timeout=60,
        umask=umask,
    )


def said(ran: subprocess.CompletedProcess[str]) -> str:
    """The message of a failure, without the frame around it."""
    assert "Traceback" not in ran.stderr
    return " ".join(ran.stderr.replace("│", "").split())


@pytest.fixture(scope="module")
def as_written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` writes."""
    folder = tmp_path_factory.mktemp("written") / "stack"
    ran = run("init", folder, cwd=folder.parent)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.fixture
def stack(as_written: Path, tmp_path: Path) -> Path:
    """A new folder of the stack."""
    return Path(shutil.copytree(as_written, tmp_path / "stack"))


def test_a_new_folder_holds_the_stack(stack: Path) -> None:
    """Every file is the repository's; nothing more is there than what says the version."""
    written = {path.relative_to(stack).as_posix() for path in stack.rglob("*") if path.is_file()}
    own = {RECORD, VERSION}
    assert own < written
    assert {"docker-compose.yml", "Dockerfile", "deploy/prepare.sh", ".env.example"} <= written
    different = [
        path for path in written - own if (stack / path).read_bytes() != (ROOT / path).read_bytes()
    ]
    assert not different
    assert (stack / VERSION).read_text() == f"llm-otel=={__version__}\n"
    ran = run("render", "--check", cwd=stack)
    assert ran.returncode == 0, ran.stdout
    checked = subprocess.run(["sha256sum", "--check", "--quiet", RECORD], cwd=stack)
    assert checked.returncode == 0


def test_commands_to_copy_are_quoted(tmp_path: Path) -> None:
    """What is printed can be pasted, whatever the folder's name is."""
    ran = run("init", "my stack", cwd=tmp_path)
    assert ran.stdout.splitlines()[-1] == "Start it: llm-otel up 'my stack'"
    (tmp_path / "my stack" / COMPOSE).unlink()
    assert "`llm-otel init 'my stack'` writes it" in said(run("up", "my stack", cwd=tmp_path))


def test_containers_can_read_what_a_strict_user_writes(tmp_path: Path) -> None:
    """Services run as users of their own: the files are for all, whatever the umask."""
    ran = run("init", tmp_path / "stack", cwd=tmp_path, umask=0o077)
    assert ran.returncode == 0, ran.stderr
    closed = [
        path
        for path in (tmp_path / "stack").rglob("*")
        if path.stat().st_mode & (0o055 if path.is_dir() else 0o044) == 0
    ]
    assert closed == [tmp_path / "stack" / "secrets"]


def test_secrets_are_for_their_owner_alone(stack: Path) -> None:
    """No other user of the machine passes the folder that holds them."""
    assert (stack / "secrets").stat().st_mode & 0o077 == 0


def test_a_second_run_changes_nothing(stack: Path) -> None:
    """What is current is left alone."""
    before = {path: path.stat().st_mtime_ns for path in stack.rglob("*") if path.name != RECORD}
    ran = run("init", ".", cwd=stack)
    assert ".: 0 files written" in ran.stdout
    after = {path: path.stat().st_mtime_ns for path in before}
    changed = [path for path in before if before[path] != after[path]]
    assert [path for path in changed if path.is_file() and path != stack / RECORD] == []


def test_a_users_changes_stay(stack: Path) -> None:
    """Neither a hand-written nor a generated file that was changed is overwritten without force."""
    for name in (COMPOSE, RULES):
        (stack / name).write_text("mine\n")
    (stack / ".env").write_text("GRAFANA_PORT=3001\n")
    (stack / "secrets/grafana/admin_password").write_text("chosen\n")
    ran = run("init", ".", cwd=stack)
    assert ran.returncode == 0, ran.stderr
    for name in (COMPOSE, RULES):
        assert f"kept {name}, which you changed\n" in ran.stdout
        assert (stack / name).read_text() == "mine\n"
    assert not list(stack.rglob("*.new")), "there is no new version to show"
    ran = run("init", "--force", ".", cwd=stack)
    assert f"wrote {COMPOSE}\n" in ran.stdout
    assert (stack / COMPOSE).read_bytes() == (ROOT / COMPOSE).read_bytes()
    assert (stack / ".env").read_text() == "GRAFANA_PORT=3001\n"
    assert (stack / "secrets/grafana/admin_password").read_text() == "chosen\n"


def test_an_older_version_is_upgraded(stack: Path) -> None:
    """What the user left alone is replaced or removed, what was changed is kept beside the new."""
    made = {
        RULES: "groups: []\n",
        COMPOSE: "services: {}\n",
        "deploy/old.sh": "true\n",
        "deploy/old.yaml": "{}\n",
    }
    for path, text in made.items():
        (stack / path).write_text(text)
    hashed = subprocess.run(
        ["sha256sum", *made], cwd=stack, capture_output=True, text=True, check=True
    )
    others = [
        line for line in (stack / RECORD).read_text().splitlines() if line.split()[1] not in made
    ]
    (stack / RECORD).write_text("\n".join(others) + "\n" + hashed.stdout)
    (stack / VERSION).write_text("llm-otel==0.0.9\n")
    for path in (COMPOSE, "deploy/old.yaml"):
        (stack / path).write_text("mine\n")

    ran = run("init", ".", cwd=stack)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert f"wrote {RULES}" in lines
    assert "removed deploy/old.sh" in lines
    assert f"kept {COMPOSE}, which you changed; the new version is {COMPOSE}.new" in lines
    kept = f"kept deploy/old.yaml, which you changed and llm-otel {__version__} no longer uses"
    assert kept in lines
    assert "before 0.0.9" in ran.stdout
    assert lines[-1] == "Start it: llm-otel up . -- --build --force-recreate"
    assert (stack / RULES).read_bytes() == (ROOT / RULES).read_bytes()
    assert not (stack / "deploy/old.sh").exists()
    assert (stack / COMPOSE).read_text() == (stack / "deploy/old.yaml").read_text() == "mine\n"
    assert (stack / f"{COMPOSE}.new").read_bytes() == (ROOT / COMPOSE).read_bytes()
    assert (stack / VERSION).read_text() == f"llm-otel=={__version__}\n"

    new = stack / f"{COMPOSE}.new"
    ran = run("init", ".", cwd=stack)
    assert f"{new.name} is still there: delete it once you have merged it\n" in ran.stdout
    new.unlink()
    ran = run("init", ".", cwd=stack)
    assert not new.exists(), "the new version was shown already"
    assert ".new" not in ran.stdout


@pytest.mark.parametrize("merge", ["as it is", "by force"])
def test_a_new_version_that_was_merged_is_removed(merge: str, stack: Path) -> None:
    """What lies beside a file is taken away once the file says the same; unless it was changed."""
    shown = {name: stack / f"{name}.new" for name in (COMPOSE, RULES)}
    for name, new in shown.items():
        (stack / name).rename(new)
        (stack / name).write_text("mine\n" if merge == "by force" else new.read_text())
    shown[RULES].write_text("half of a merge\n")
    ran = run("init", ".", *(["--force"] if merge == "by force" else []), cwd=stack)
    assert ran.returncode == 0, ran.stderr
    assert f"removed {COMPOSE}.new\n" in ran.stdout
    assert not shown[COMPOSE].exists()
    assert f"{RULES}.new is still there: delete it once you have merged it\n" in ran.stdout
    assert shown[RULES].read_text() == "half of a merge\n"
    assert (stack / COMPOSE).read_bytes() == (ROOT / COMPOSE).read_bytes()


def test_a_file_that_cannot_be_stored_replaces_none(stack: Path) -> None:
    """The stack has the old file or the new one, and never a part of one."""
    (stack / COMPOSE).write_text("mine\n")
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh"]
    init = [sys.executable, "-m", "llm_otel", "init", "--force", "."]
    ran = subprocess.run([*limited, *init], cwd=stack, capture_output=True, text=True)
    assert ran.returncode == 1, ran.stdout
    assert "File too large" in said(ran)
    assert (stack / COMPOSE).read_text() == "mine\n"
    assert not list(stack.rglob("*.draft"))


def test_thresholds_of_the_folder_are_kept(stack: Path) -> None:
    """`llm-otel.yaml` is the user's; what follows from it, by render or by init, is not."""
    (stack / "llm-otel.yaml").write_text("alerts: {latency: {warning: 2.5}}\n")
    assert run("render", cwd=stack).returncode == 0
    assert "p95_10m > 2.5" in (stack / RULES).read_text()
    ran = run("init", stack, cwd=stack.parent)
    assert " 0 kept" in ran.stdout, ran.stdout
    assert "p95_10m > 2.5" in (stack / RULES).read_text()
    (stack / "llm-otel.yaml").write_text("alerts: {latency: {warning: 3.5}}\n")
    assert f"wrote {RULES}\n" in run("init", stack, cwd=stack.parent).stdout
    assert "p95_10m > 3.5" in (stack / RULES).read_text()


def test_files_of_another_project_are_not_mixed_with_the_stack(tmp_path: Path) -> None:
    """A folder that holds other files of these names is left as it is."""
    (tmp_path / COMPOSE).write_text("services: {}\n")
    (tmp_path / "app.py").touch()
    ran = run("init", ".", cwd=tmp_path)
    assert ran.returncode == 1
    assert f"holds files that llm-otel did not write: {COMPOSE}." in said(ran)
    assert {path.name for path in tmp_path.iterdir()} == {COMPOSE, "app.py"}
    assert run("init", "--force", ".", cwd=tmp_path).returncode == 0
    assert (tmp_path / COMPOSE).read_bytes() == (ROOT / COMPOSE).read_bytes()


@pytest.mark.parametrize(
    "record", ["x" * 64 + "  ../outside\n", "x" * 64 + "  /etc/outside\n", "nothing\n", "\xff"]
)
def test_a_damaged_record_leads_nowhere(record: str, stack: Path) -> None:
    """A record that names files elsewhere, or is none, stops the run."""
    (stack / RECORD).write_bytes(record.encode("latin-1"))
    outside = stack.parent / "outside"
    outside.touch()
    ran = run("init", ".", cwd=stack)
    assert ran.returncode == 1
    assert f"{RECORD} is not as `llm-otel init` wrote it" in said(ran)
    assert outside.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pyproject.toml", "", "is a clone of the repository"),
        ("llm-otel.yaml", "nothing: 1\n", "nothing"),
        ("tempo", "", "tempo"),
    ],
)
def test_mistakes_are_told(name: str, content: str, message: str, tmp_path: Path) -> None:
    """A folder that cannot be written into is a sentence."""
    (tmp_path / "src" / "llm_otel").mkdir(parents=True)
    (tmp_path / name).write_text(content)
    ran = run("init", ".", cwd=tmp_path)
    assert ran.returncode == 1
    assert message in said(ran)


@pytest.fixture
def docker(tmp_path: Path) -> str:
    """A PATH with a `docker` that says where and how it was called, and ends with 17."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$2" = version ] && exit 0\necho "$PWD: $*"\nexit 17\n')
    program.chmod(0o755)
    return str(program.parent)


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["up", "stack"], "compose up --detach --wait"),
        (
            ["up", "--profile", "sample", "stack", "--", "--build", "grafana"],
            "compose --profile sample up --detach --wait --build grafana",
        ),
        (["down", "stack"], "compose --profile * down"),
        (["down", "stack", "--", "--volumes"], "compose --profile * down --volumes"),
        (["status", "stack"], "compose --profile * ps --all"),
    ],
)
def test_commands_of_compose(arguments: list[str], called: str, stack: Path, docker: str) -> None:
    """Each prints the command that it runs in the folder, and ends with its exit code."""
    ran = run(*arguments, cwd=stack.parent, path=docker)
    assert ran.returncode == 17, ran.stderr
    assert ran.stdout == f"{stack}: {called}\n"
    assert ran.stderr == f"cd stack && docker {called.replace('*', repr('*'))}\n"


def test_what_follows_the_dashes_is_for_compose(stack: Path, docker: str) -> None:
    """In the folder itself, where none is named, too."""
    ran = run("up", "--", "--build", "grafana", cwd=stack, path=docker)
    assert ran.stdout == f"{stack}: compose up --detach --wait --build grafana\n", ran.stderr


def test_files_of_another_version_are_noticed(stack: Path, docker: str) -> None:
    """After an upgrade of the package alone, `up` says what brings the files after it."""
    (stack / VERSION).write_text("llm-otel==0.0.9\n")
    ran = run("up", cwd=stack, path=docker)
    assert f"are of llm-otel 0.0.9, and this is {__version__}: `llm-otel init .`" in ran.stderr


def test_a_damaged_version_is_mended(stack: Path, docker: str) -> None:
    """It is ours to say: `up` shows what it can read of it, and `init` writes it anew."""
    (stack / VERSION).write_bytes(b"\xff\x1b[2J")
    ran = run("up", cwd=stack, path=docker)
    assert (ran.returncode, "\x1b" in ran.stderr) == (17, False), ran.stderr
    assert "`llm-otel init .` brings them to this version" in said(ran)
    assert run("init", ".", cwd=stack).returncode == 0
    assert (stack / VERSION).read_text() == f"llm-otel=={__version__}\n"


@pytest.mark.parametrize("name", ["up", "down", "status"])
def test_what_is_missing_is_told(name: str, stack: Path, tmp_path: Path) -> None:
    """Without Docker, or without the files, there is one sentence that says what to do."""
    ran = run(name, stack, cwd=tmp_path, path="/nonexistent")
    assert ran.returncode == 1
    assert "Docker Compose is not installed: install Docker" in said(ran)
    ran = run(name, cwd=tmp_path)
    assert ran.returncode == 1
    assert f"There is no {COMPOSE} in {tmp_path}: `llm-otel init .` writes it." in said(ran)
