"""The programs of the pages on migration, with the real package of the other one.

Those that are installed are tested, in the environments of `tests/matrix.py`. Both backends are
OTLP receivers on this machine; MLflow's is a database.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from docs.markdown import ROOT, Block, blocks
from otlp_receiver import OtlpReceiver

import llm_otel
from llm_otel.testing import Provider

SOURCE = Path(llm_otel.__file__).parents[1]
OVERRIDING = "Overriding of current"


class Peer(NamedTuple):
    """How a page's peer is run.

    Attributes:
        module: What is installed with it.
        variables: Its environment, by the address of its backend and a folder.
        scope: The start of the name of the scope of its span of a call; empty: llm-otel's.
        path: Where its backend is sent the first program's call; None: nowhere.
        says: A message of the SDK's that the page mentions.
    """

    module: str
    variables: Callable[[str, Path], dict[str, str]]
    scope: str = ""
    path: str | None = "/v1/traces"
    says: str | None = None


def _of_langfuse(url: str, _folder: Path) -> dict[str, str]:
    return {
        "LANGFUSE_PUBLIC_KEY": "pk",
        "LANGFUSE_SECRET_KEY": "sk",
        "LANGFUSE_BASE_URL": url,
    }


def _of_logfire(url: str, _folder: Path) -> dict[str, str]:
    return {
        "LOGFIRE_TOKEN": "pylf_v1_us_none",
        "LOGFIRE_BASE_URL": url,
        "LOGFIRE_CONSOLE": "false",
    }


def _of_openllmetry(url: str, _folder: Path) -> dict[str, str]:
    return {
        "TRACELOOP_BASE_URL": url,
        "TRACELOOP_API_KEY": "key",
        "TRACELOOP_TELEMETRY": "false",
    }


def _of_mlflow(url: str, folder: Path) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_ENABLE_OTLP_EXPORTER": "false",
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
        "HOME": str(folder),
    }


PEERS = {
    "langfuse": Peer("langfuse", _of_langfuse, "langfuse-sdk", path="/api/public/otel/v1/traces"),
    "logfire": Peer("logfire", _of_logfire, "logfire.openai"),
    "openllmetry": Peer(
        "traceloop.sdk", _of_openllmetry, "opentelemetry.instrumentation.openai", says=OVERRIDING
    ),
    "openlit": Peer(
        "openlit", lambda url, _: {"OPENLIT_RECEIVER": url}, "openlit.instrumentation.openai"
    ),
    "phoenix": Peer(
        "phoenix.otel",
        lambda url, _: {"PHOENIX_COLLECTOR_ENDPOINT": url},
        "openinference.instrumentation.openai",
    ),
    "langsmith": Peer(
        "langsmith.wrappers",
        lambda url, _: {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_API_KEY": "key",
            "LANGSMITH_ENDPOINT": url,
        },
        path="/runs/multipart",
    ),
    "mlflow": Peer("mlflow", _of_mlflow, path=None, says=OVERRIDING),
}


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False


# A peer's parts may be installed for others: openai is what the pages call.
INSTALLED = [
    name for name, peer in PEERS.items() if _is_installed("openai") and _is_installed(peer.module)
]


class Backend(OtlpReceiver):
    """A receiver at any path, which takes compressed requests, too.

    Attributes:
        paths: Where something came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []

    def receive(self, path: str, body: bytes) -> int:
        self.paths.append(path)
        at = path[max(path.find("/v1/"), 0) :]
        if at not in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            return self.status
        return super().receive(at, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)

    def calls(self) -> list[dict[str, Any]]:
        """Scope and attributes of the spans that tell of a call of gpt-4o-mini."""
        found = [
            {
                "scope": scope.scope.name,
                **{each.key: _value(each.value) for each in span.attributes},
            }
            for resource in self.resources("/v1/traces")
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return [each for each in found if _is_call(each)]

    def requests_counted(self) -> int:
        """What the product's metrics count."""
        return sum(
            point.count
            for resource in self.resources("/v1/metrics")
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "gen_ai.request.duration"
            for point in metric.histogram.data_points
        )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


def _is_call(attributes: dict[str, Any]) -> bool:
    return (
        attributes.get("gen_ai.operation.name") == "chat"
        or attributes.get("openinference.span.kind") == "LLM"
        or attributes.get("langfuse.observation.type") == "generation"
    ) and attributes.get("logfire.span_type") != "pending_span"


@pytest.fixture
def backend() -> Iterator[Backend]:
    """The other one's."""
    with Backend() as running:
        yield running


@pytest.fixture
def home() -> Iterator[Backend]:
    """llm-otel's."""
    with Backend() as running:
        yield running


def programs(name: str) -> list[Block]:
    """Those of a page: both at once, then llm-otel's spans to the other one's backend."""
    return blocks(ROOT / "docs" / f"migration-{name}.md", "python")


def run(block: Block, variables: dict[str, str], p: Provider, home: Backend, folder: Path) -> str:
    """What a program wrote to its errors; it must end well."""
    file = folder / "program.py"
    file.write_text(block.text, encoding="utf-8")
    # Logfire sends nothing where it finds itself in a test.
    unset = ("OTEL_", "LLM_OTEL_", "PYTEST_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unset)}
    ended = subprocess.run(
        [sys.executable, str(file)],
        env={
            **kept,
            "PYTHONPATH": str(SOURCE),
            "NO_PROXY": "*",
            "OPENAI_BASE_URL": p.url,
            "OPENAI_API_KEY": "test",
            "OTEL_EXPORTER_OTLP_ENDPOINT": home.endpoint,
            "LLM_OTEL_PROVIDERS": f"{urlsplit(p.url).netloc}=openai",
            **variables,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, f"{block}:\n{ended.stderr}"
    return ended.stderr


@pytest.mark.parametrize("name", INSTALLED)
def test_both_at_once(
    name: str, p: Provider, home: Backend, backend: Backend, tmp_path: Path
) -> None:
    """The call is at both, counted once, for whom it was made; the span is whose the page says."""
    peer = PEERS[name]
    url = f"sqlite:///{tmp_path}/mlflow.db" if name == "mlflow" else backend.endpoint
    errors = run(programs(name)[0], peer.variables(url, tmp_path), p, home, tmp_path)
    (call,) = home.calls()
    assert call["scope"].startswith(peer.scope or "llm_otel"), call
    assert call["tenant_id"] == "acme", call
    assert call["feature"] == "support", call
    assert call["session.id"] == "s-42", call
    assert home.requests_counted() == len(p.requests) == 1
    assert (OVERRIDING in errors) == (peer.says == OVERRIDING), errors
    assert ("already makes spans for openai" in errors) == bool(peer.scope), errors
    if name == "mlflow":
        assert _traces_in_mlflow(url) == 1
    elif peer.path is not None:
        assert peer.path in backend.paths, backend.paths
    if peer.scope:
        assert [each["scope"] for each in backend.calls()] == [call["scope"]]


@pytest.mark.parametrize("name", INSTALLED)
def test_our_spans_to_their_backend(
    name: str, p: Provider, home: Backend, backend: Backend, tmp_path: Path
) -> None:
    """Without their wrapper the call is llm-otel's span, with its cost, at both; one score."""
    variables = PEERS[name].variables(backend.endpoint, tmp_path)
    errors = run(programs(name)[1], variables, p, home, tmp_path)
    for receiver in (home, backend):
        (call,) = receiver.calls()
        assert call["scope"] == "llm_otel", call
        assert call["tenant_id"] == "acme", call
        assert "order" in call["gen_ai.input.messages"], call
    assert home.requests_counted() == len(p.requests) == 1
    assert home.events() == ["gen_ai.evaluation.result"]
    assert "already makes spans" not in errors
    assert OVERRIDING not in errors


def _traces_in_mlflow(url: str) -> int:
    code = "import mlflow; print(len(mlflow.search_traces(return_type='list')))"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MLFLOW_TRACKING_URI": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return int(ran.stdout)


def test_every_page_has_its_two_programs() -> None:
    """No program of a page is left out here."""
    pages = {page.stem for page in (ROOT / "docs").glob("migration-*.md")}
    assert pages == {f"migration-{name}" for name in PEERS}
    for name in PEERS:
        assert len(programs(name)) == 2, name
