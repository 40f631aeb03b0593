"""How the stack's programs are found: the cache, PATH, Go, Docker, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.binaries import build
from tools.binaries.build import Unavailable, find

# A stand-in for the engine: `cp` leaves what it was asked for.
DOCKER = """#!/bin/sh
case "$1" in
  info) exit 0 ;;
  create) echo "container-of-$2" ;;
  cp) echo "$2" > "$3" ;;
  rm) exit 0 ;;
esac
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH but for the folder that is given, and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    return programs


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_nothing_to_be_had(bare: Path) -> None:
    """Without Go and Docker one sentence says what to install, and how to leave the tests out."""
    with pytest.raises(Unavailable) as caught:
        find("promtool")
    assert "install Go 1.26 or newer, or set LLM_OTEL_TEST_STACK=off" in str(caught.value)


def test_on_path(bare: Path) -> None:
    """A program of the very version is taken; another version is not."""
    _program(bare / "promtool", "#!/bin/sh\necho promtool, version 3.15.0\n")
    assert find("promtool") == bare / "promtool"
    _program(bare / "promtool", "#!/bin/sh\necho promtool, version 2.1.0\n")
    with pytest.raises(Unavailable):
        find("promtool")


def test_from_docker(bare: Path) -> None:
    """With Docker and no Go the programs are copied out of the pinned image, once."""
    _program(bare / "docker", DOCKER)
    found = find("otelcol")
    image = "otel/opentelemetry-collector-contrib:0.161.0"
    assert found.read_text() == f"container-of-{image}:/otelcol-contrib\n"
    (bare / "docker").unlink()
    assert find("otelcol") == found


def test_images_are_those_of_the_compose_file() -> None:
    """The versions that are tested are the versions that run."""
    compose = (build.ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name in ("collector", "prometheus", "alertmanager"):
        assert f":-{build.SOURCES[name].image}}}" in compose, name
