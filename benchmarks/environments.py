"""The virtual environments of the peers, made on first use below `.cache/bench`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from subjects import OURS

ROOT = Path(__file__).resolve().parent.parent

# Pinned, as their figures are in the docs. openlit does not work with openai 3; logfire 5.2.0 is
# what resolved beside the others.
_PACKAGES = {
    "otel": ("opentelemetry-instrumentation-genai-openai==1.3b0", "openai==3.54.0"),
    "openinference": ("openinference-instrumentation-openai==0.1.66", "openai==3.54.0"),
    "openllmetry": ("opentelemetry-instrumentation-openai==0.62.4", "openai==3.54.0"),
    "logfire": ("logfire==5.2.0", "openai==3.54.0"),
    "openlit": ("openlit==1.45.0", "openai==2.54.0"),
    "phoenix": ("arize-phoenix==20.26.1",),
    "mlflow": ("mlflow==3.17.2",),
}
_ALL = ("opentelemetry-sdk==1.45.*",)
_SHOWN = (
    "openai", "anthropic", "opentelemetry-sdk", "httpx2", "httpx", "pydantic", "wrapt",
    "genai-prices",
)  # fmt: skip


def python(environment: str) -> str:
    """The interpreter of an environment, which is created if need be.

    Raises:
        SystemExit: It cannot be created; one sentence.
    """
    if environment == OURS:
        return sys.executable
    folder = ROOT / ".cache" / "bench" / environment
    interpreter = folder / "bin" / "python"
    ready = folder / ".ready"
    packages = (*_PACKAGES[environment], *_ALL)
    if ready.exists() and ready.read_text() == " ".join(packages):
        return str(interpreter)
    print(f"bench: installing for {environment}: {' '.join(packages)}", flush=True)
    uv = shutil.which("uv")
    if uv:
        create = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--quiet", "--python", str(interpreter)]
    else:
        create = [sys.executable, "-m", "venv", "--clear", str(folder)]
        install = [str(interpreter), "-m", "pip", "install", "--quiet"]
    for command in (create, [*install, *packages]):
        if subprocess.call(command):
            raise SystemExit(f"bench: {environment} could not be installed; see above.")
    ready.write_text(" ".join(packages))
    return str(interpreter)


def variables() -> dict[str, str]:
    """The environment of a worker: bytecode is cached, and no setting of the user's leaks in."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "LLM_OTEL_")) and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**ours, "PYTHONPATH": str(ROOT / "src")}


def versions(environment: str) -> str:
    """The packages that the figures depend on, as `name version, …`."""
    names = [*(spec.partition("==")[0] for spec in _PACKAGES.get(environment, ())), *_SHOWN]
    code = (
        "import sys, importlib.metadata as m\n"
        "have = {d.name.lower(): d.version for d in m.distributions() if d.name}\n"
        f"names = dict.fromkeys({names!r})\n"
        "print(', '.join(f'{n} {have[n]}' for n in names if n in have))"
    )
    command = [python(environment), "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=variables()
    ).stdout.strip()
