"""What is fetched from elsewhere is pinned: packages by hash, actions by commit, images by tag."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from stack.parts import ROOT

from llm_otel.version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LOCK = ROOT / "deploy" / "requirements.txt"
BUILD_LOCK = ROOT / "deploy" / "build-requirements.txt"
SHA256 = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def locked(path: Path) -> dict[str, tuple[str, list[str]]]:
    """Version and hashes of each package of a lock."""
    text = re.sub(r"(?m)^\s*#.*$", "", path.read_text()).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        name, version = line.split()[0].split("==")
        found[canonicalize_name(name)] = (version, SHA256.findall(line))
    return found


def wanted() -> list[Requirement]:
    """What the image needs: the library, its local mode, and the sample application's clients."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    sample = (ROOT / "deploy" / "requirements.in").read_text().splitlines()
    lines = [*project["dependencies"], *extras["local"], *extras["cli"], *sample]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "llm-otel["))]


@pytest.mark.parametrize("path", [LOCK, BUILD_LOCK], ids=lambda path: path.name)
def test_every_package_has_a_version_and_hashes(path: Path) -> None:
    """pip refuses whatever else an index may serve."""
    packages = locked(path)
    assert packages
    assert not [name for name, (version, hashes) in packages.items() if not version or not hashes]
    assert "make lock" in path.read_text().partition("==")[0]


def test_the_lock_is_of_this_project() -> None:
    """A dependency that was added or raised without `make lock` is named."""
    packages = locked(LOCK)
    wrong = [
        str(requirement)
        for requirement in wanted()
        if not requirement.specifier.contains(
            packages.get(canonicalize_name(requirement.name), ("0", []))[0], prereleases=True
        )
    ]
    assert not wrong, f"run make lock: {wrong}"


def test_the_image_installs_nothing_else() -> None:
    """Each installation of the image checks hashes, or is of llm-otel alone."""
    installs = re.findall(r"pip.* install .*", (ROOT / "Dockerfile").read_text())
    assert len(installs) >= 3
    assert not [line for line in installs if not re.search("--require-hashes|--no-deps", line)]


def test_actions_are_pinned_by_commit() -> None:
    """A tag can be moved; a commit cannot. The comment says which release it is."""
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    uses = [line for path in workflows for line in re.findall(r"uses: (.*)", path.read_text())]
    assert len(uses) >= 10
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert not [line for line in uses if not pinned.fullmatch(line)]


def test_images_are_pinned() -> None:
    """By a tag that names one release at least."""
    files = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*.yaml")]
    text = "\n".join(path.read_text() for path in files)
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    images += re.findall(r"image: (?:\$\{\w+:-)?([^\s}]+)", text)
    assert len(images) >= 8
    release = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?")
    ours = "llm-otel/app:local"
    assert not [image for image in images if image != ours and not release.fullmatch(image)]


def test_the_bill_of_materials_names_what_is_locked(tmp_path: Path) -> None:
    """`make sbom` writes CycloneDX with every package of the image, its version and its hashes."""
    subprocess.run(
        ["make", "--silent", "sbom", f"SBOM={tmp_path / 'sbom.json'}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    components = {each["name"]: each for each in document["components"]}
    packages = locked(LOCK)
    assert {canonicalize_name(name): c["version"] for name, c in components.items()} == {
        name: version for name, (version, _) in packages.items()
    }
    assert all(each["externalReferences"][0]["hashes"] for each in components.values())


@pytest.mark.parametrize(
    ("wheels", "indexed"),
    [((), True), (("llm_otel-0.0.9-py3-none-any.whl",), True), (("WANTED", "other.whl"), False)],
    ids=["none", "of another version", "its own"],
)
def test_no_index_is_asked_for_the_wheel_that_is_there(
    wheels: tuple[str, ...], indexed: bool, tmp_path: Path
) -> None:
    """The build's own step: an index's package of that name would win over the wheel."""
    name = f"llm_otel-{__version__}-py3-none-any.whl"
    (tmp_path / "deploy" / "wheels").mkdir(parents=True)
    (tmp_path / "deploy" / "llm-otel.txt").write_text(f"llm-otel=={__version__}\n")
    for wheel in wheels:
        (tmp_path / "deploy" / "wheels" / wheel.replace("WANTED", name)).touch()
    (tmp_path / "pip").write_text('#!/bin/sh\necho "pip $*"\n')
    (tmp_path / "pip").chmod(0o755)
    (step,) = re.findall(
        r"^RUN (set -e;.*?[^\\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = ["sh", "-c", step]
    ran = subprocess.run(
        command, cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True, check=True
    )
    called = ran.stdout.splitlines()[-1]
    assert called.startswith("pip ")
    assert called.endswith("--requirement deploy/llm-otel.txt")
    assert ("--no-index --find-links deploy/wheels" not in called) == indexed, called
