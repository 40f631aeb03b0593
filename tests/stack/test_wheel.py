"""The stack from pip alone: a built wheel in an empty environment, without the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack.parts import ROOT, program

from llm_otel.stack import static_files
from llm_otel.stack.folder import RECORD, VERSION, WHEELS
from llm_otel.version import __version__

FOLDERS = ("alertmanager", "collector", "deploy", "examples", "grafana", "prometheus", "secrets",
           "tempo")  # fmt: skip


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program outside of the repository, with nothing of it on any path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def pip(place: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the environment's own pip, in the folder of the stack once that is there."""
    command = (place / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    stack = place / "stack"
    return run(*command, "--quiet", *arguments, cwd=stack if stack.exists() else place)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the wheel, an environment that holds it with the extra `cli`, and the stack."""
    folder = tmp_path_factory.mktemp("pip")
    wheels, venv = folder / "wheels", folder / "venv"
    made = run(sys.executable, "-m", "venv", venv, cwd=folder)
    assert made.returncode == 0, made.stderr
    built = pip(folder, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = wheels.iterdir()
    installed = pip(folder, "install", f"{wheel}[cli]")
    assert installed.returncode == 0, installed.stderr
    ran = run(venv / "bin" / "llm-otel", "init", folder / "stack", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    yield folder
    shutil.rmtree(venv)


def test_files_are_those_of_the_repository(place: Path) -> None:
    """Each file is there, byte by byte, and each hand-written one came with the wheel."""
    stack = place / "stack"
    written = {path.relative_to(stack).as_posix() for path in stack.rglob("*") if path.is_file()}
    (wheel,) = (place / "wheels").iterdir()
    own = {RECORD, VERSION, f"{WHEELS}/{wheel.name}"}
    different = [
        path for path in written - own if (stack / path).read_bytes() != (ROOT / path).read_bytes()
    ]
    assert not different
    generated = (ROOT / "deploy" / "generated.txt").read_text().split()
    assert written == {*static_files.files(), *generated, "deploy/generated.txt", *own}


def test_no_file_that_the_stack_needs_is_forgotten() -> None:
    """What the folders of the stack hold in the repository is in the list or generated."""
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *FOLDERS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    generated = (ROOT / "deploy" / "generated.txt").read_text().split()
    # Examples of their own: the stack runs another one.
    alone = ("examples/agent/", "examples/services/")
    there = {
        path
        for path in tracked.stdout.splitlines()
        if (ROOT / path).is_file() and not path.startswith(alone)
    }
    locked = {"deploy/requirements.in", "deploy/build-requirements.in"}
    left_out = {"examples/README.md", "deploy/generated.txt", *locked}
    assert there - {*static_files.files(), *generated} == left_out


def test_compose_accepts_the_folder(place: Path) -> None:
    """The real Compose takes the file, alone and with each overlay."""
    stack = place / "stack"
    overlays = sorted((stack / "deploy").glob("compose.*.yaml"))
    assert overlays
    for more in ([], *([overlay] for overlay in overlays)):
        files = [word for each in (stack / "docker-compose.yml", *more) for word in ("-f", each)]
        command = (program("docker-compose"), *files, "--profile", "*", "config", "--quiet")
        ran = run(*command, cwd=stack)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), more


def test_render_finds_the_folder_current(place: Path) -> None:
    """`llm-otel render --check` needs no more than the extra `cli`, and is clean."""
    ran = run(place / "venv" / "bin" / "llm-otel", "render", "--check", cwd=place / "stack")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 stale" in ran.stdout


def test_doctor_looks_before_the_start(place: Path) -> None:
    """The doctor of the extra `cli` finds what the containers mount, readable and current."""
    command = (place / "venv" / "bin" / "llm-otel", "doctor", "--before")
    ran = run(*command, cwd=place / "stack", COLUMNS="500")
    assert "mounted files and folders are there and readable\n" in ran.stdout, ran.stdout
    assert "✓ The generated files are those that llm-otel.yaml asks for\n" in ran.stdout


def test_the_image_is_built_from_this_wheel(place: Path) -> None:
    """What no index has is beside the Dockerfile, which asks for exactly that version.

    The build's own step, on this machine: pip takes the wheel with no index to ask.
    """
    stack = place / "stack"
    (wheel,) = (stack / WHEELS).iterdir()
    (built,) = (place / "wheels").iterdir()
    assert wheel.read_bytes() == built.read_bytes()
    asked = ("--find-links", WHEELS, "--requirement", VERSION)
    assert f"--no-index --find-links {WHEELS}" in (stack / "Dockerfile").read_text()
    target = place / "target"
    ran = pip(place, "install", "--no-index", "--no-deps", *asked, "--target", target)
    assert ran.returncode == 0, ran.stderr
    assert (target / f"llm_otel-{__version__}.dist-info").is_dir()
