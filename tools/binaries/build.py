"""Finds the stack's programs on PATH, or builds them from their Go modules, once.

`python -m tools.binaries` prints where each is. They are kept in `.cache/binaries/<name>-<version>`
(or below `LLM_OTEL_CACHE`), so a second run costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("LLM_OTEL_CACHE", ROOT / ".cache")) / "binaries"
COLLECTOR_MANIFEST = Path(__file__).with_name("collector.yaml")
_SMALL = ("-trimpath", "-ldflags", "-s -w")


class Unavailable(Exception):
    """A program can neither be found nor built; the text says what to do."""


@dataclass(frozen=True)
class Source:
    """Where programs come from.

    Attributes:
        version: The one that the compose file runs.
        programs: Their names.
        build: Puts them into a folder.
        minutes: About how long that takes on two cores.
        image: The image that holds them, for machines with Docker and no Go.
        inside: Where they are in it; `{}` is the program's name.
        everywhere: Whether the tests that need no Docker engine want them, too.
    """

    version: str
    programs: tuple[str, ...]
    build: Callable[[Path], None]
    minutes: int
    image: str
    inside: str
    everywhere: bool = True


def _prometheus(into: Path) -> None:
    _from_module(
        into,
        "github.com/prometheus/prometheus",
        "v0.315.0",
        {"prometheus": "cmd/prometheus", "promtool": "cmd/promtool"},
        "-tags",
        "remove_all_sd,netgo",
    )


def _alertmanager(into: Path) -> None:
    # The module lacks the built web page that it embeds: a copy gets an empty one.
    with _copy("github.com/prometheus/alertmanager", "v0.34.2") as source:
        page = source / "ui" / "app" / "dist" / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("<!doctype html><title>Alertmanager</title>\n")
        programs = ("./cmd/alertmanager", "./cmd/amtool")
        _go(into, "install", "-tags", "netgo", *_SMALL, *programs, cwd=source)


@contextmanager
def _copy(module: str, version: str) -> Iterator[Path]:
    """A copy of a module that may be written to, and is built with what its go.mod replaces."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        shutil.copytree(module_folder(module, version), source, copy_function=shutil.copyfile)
        for each in (source, *source.rglob("*")):
            each.chmod(0o755)
        yield source


def _collector(into: Path) -> None:
    _go(into, "install", "go.opentelemetry.io/collector/cmd/builder@v0.161.0")
    builder = into / "builder"
    with tempfile.TemporaryDirectory() as folder:
        manifest = shutil.copyfile(COLLECTOR_MANIFEST, Path(folder) / "collector.yaml")
        _run([builder, "--config", manifest, "--skip-compilation"], into, Path(folder))
        _go(into, "build", "-mod=mod", *_SMALL, "-o", str(into / "otelcol"), ".", cwd=Path(folder))
    builder.unlink()


def _compose(into: Path) -> None:
    module = "github.com/docker/compose/v2"
    _from_module(into, module, "v2.40.3", {"docker-compose": "cmd"})


def _jaeger(into: Path) -> None:
    _from_module(into, "github.com/jaegertracing/jaeger", "v1.76.0", {"jaeger": "cmd/jaeger"})


def _thanos(into: Path) -> None:
    # The tags are its makers': without slicelabels it panics at the first request.
    tags = ("-mod=mod", "-tags", "netgo,slicelabels")
    with _copy("github.com/thanos-io/thanos", "v0.42.4") as source:
        _go(into, "install", *tags, *_SMALL, "./cmd/thanos", cwd=source)


def _seaweedfs(into: Path) -> None:
    # Its tags are no versions of a Go module: the commit of release 4.53.
    commit = "v0.0.0-20261109003541-7506e5f91cd6"
    _from_module(into, "github.com/seaweedfs/seaweedfs", commit, {"weed": "weed"})


def _from_module(
    into: Path, module: str, version: str, programs: dict[str, str], *flags: str
) -> None:
    """Build programs of a module that `go install` refuses, as its go.mod replaces or excludes."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        _go(into, "mod", "init", "llm-otel.test/programs", cwd=here)
        _go(into, "get", *(f"{module}/{at}@{version}" for at in programs.values()), cwd=here)
        for program, at in programs.items():
            out = str(into / program)
            _go(into, "build", "-mod=mod", *flags, *_SMALL, "-o", out, f"{module}/{at}", cwd=here)


SOURCES: dict[str, Source] = {
    "collector": Source(
        "0.161.0",
        ("otelcol",),
        _collector,
        8,
        "otel/opentelemetry-collector-contrib:0.161.0",
        "/{}-contrib",
    ),
    "prometheus": Source(
        "3.15.0", ("prometheus", "promtool"), _prometheus, 7, "prom/prometheus:v3.15.0", "/bin/{}"
    ),
    "alertmanager": Source(
        "0.34.2",
        ("alertmanager", "amtool"),
        _alertmanager,
        1,
        "prom/alertmanager:v0.34.2",
        "/bin/{}",
    ),
    "compose": Source(
        "2.40.3", ("docker-compose",), _compose, 2, "docker/compose-bin:v2.40.3", "/{}"
    ),
    # The image's version is that of Jaeger 2, the module's that of Jaeger 1, from the same commit.
    "jaeger": Source(
        "1.76.0",
        ("jaeger",),
        _jaeger,
        4,
        "jaegertracing/jaeger:2.13.0",
        "/cmd/jaeger/jaeger-linux",
        everywhere=False,
    ),
    "thanos": Source(
        "0.42.4",
        ("thanos",),
        _thanos,
        4,
        "quay.io/thanos/thanos:v0.42.4",
        "/bin/{}",
        everywhere=False,
    ),
    "seaweedfs": Source(
        "4.53",
        ("weed",),
        _seaweedfs,
        5,
        "chrislusf/seaweedfs:4.53",
        "/usr/bin/{}",
        everywhere=False,
    ),
}


def find(program: str) -> Path:
    """Where a program is; builds it if it must.

    Raises:
        Unavailable: It is nowhere and cannot be built.
    """
    name, source = next((n, s) for n, s in SOURCES.items() if program in s.programs)
    folder = CACHE / f"{name}-{_key(name, source)}"
    if not (folder / program).exists():
        on_path = _on_path(program, source.version)
        if on_path is not None:
            return on_path
        _build(name, source, folder)
    return folder / program


def module_folder(module: str, version: str) -> Path:
    """The source of a Go module, which Go keeps.

    Raises:
        Unavailable: There is no Go, or it cannot fetch the module.
    """
    if shutil.which("go") is None:
        raise Unavailable(f"the module {module} {version} needs Go 1.26 or newer to be fetched.")
    with tempfile.TemporaryDirectory() as folder:
        download = _go(Path(folder), "mod", "download", "-json", f"{module}@{version}")
    return Path(json.loads(download)["Dir"])


def _key(name: str, source: Source) -> str:
    """The version, and for the Collector what it is made of."""
    if name != "collector":
        return source.version
    return f"{source.version}-{hashlib.sha256(COLLECTOR_MANIFEST.read_bytes()).hexdigest()[:8]}"


def _on_path(program: str, version: str) -> Path | None:
    """A program of that very version that is installed already."""
    for name in (program, f"{program}-contrib"):
        path = shutil.which(name)
        if path is not None:
            run = subprocess.run([path, "--version"], check=False, capture_output=True, text=True)
            if version in run.stdout + run.stderr:
                return Path(path)
    return None


def _build(name: str, source: Source, folder: Path) -> None:
    if shutil.which("go") is not None:
        how, get = f"building (about {source.minutes} min on two cores, once)", source.build
    elif _engine():
        how, get = f"copying from {source.image}", lambda into: _from_image(source, into)
    else:
        raise Unavailable(
            f"{', '.join(source.programs)} {source.version} are not on PATH, and there is neither "
            "Go to build them with nor Docker to copy them from: install Go 1.26 or newer, or set "
            "LLM_OTEL_TEST_STACK=off to leave the tests on real parts out."
        )
    print(f"binaries: {', '.join(source.programs)} {source.version}: {how}", flush=True)
    began = time.monotonic()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as half:
        get(Path(half))
        Path(half).chmod(0o755)
        if not folder.exists():
            shutil.copytree(half, folder)
    print(f"binaries: {name}: {time.monotonic() - began:.0f} s", flush=True)


def _engine() -> bool:
    """Whether there is a Docker engine, not only its command."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], check=False, capture_output=True).returncode == 0


def _from_image(source: Source, into: Path) -> None:
    """Copy the programs out of their image; nothing of it is run."""
    container = _run(["docker", "create", source.image], into, None).strip()
    try:
        for program in source.programs:
            at = f"{container}:{source.inside.format(program)}"
            _run(["docker", "cp", at, str(into / program)], into, None)
    finally:
        _run(["docker", "rm", container], into, None)


def _go(into: Path, *arguments: str, cwd: Path | None = None) -> str:
    return _run(["go", *arguments], into, cwd)


def _run(command: list[str | Path], into: Path, cwd: Path | None) -> str:
    environment = {
        **os.environ,
        "GOBIN": str(into),
        "GOFLAGS": "-buildvcs=false",
        "CGO_ENABLED": "0",
    }
    process = subprocess.run(
        command,
        check=False,
        cwd=cwd or into,
        env=environment,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        words = " ".join(map(str, command[:3]))
        raise Unavailable(f"{words} failed (exit {process.returncode}): {last}")
    return process.stdout
