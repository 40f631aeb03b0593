"""What the code has is in the documentation: settings, telemetry, public names."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from docs.markdown import DOCS, PAGES, README, ROOT, code

import llm_otel
from llm_otel import clients, semconv, testing
from llm_otel.settings import OPTIONS
from llm_otel.testing import Provider, Telemetry
from tools import generate_docs

TELEMETRY = code(ROOT / "docs" / "telemetry.md")
METRICS = (
    *semconv.FAMILY_A,
    *semconv.FAMILY_B_V141,
    *semconv.FAMILY_B_LATEST,
    *semconv.FAMILY_B_STEPS,
)
MESSAGES = [{"role": "user", "content": "Hello"}]


def missing(names: set[str], text: str) -> list[str]:
    """The names that do not stand in a text as words of their own."""
    return sorted(n for n in names if not re.search(rf"(?<![\w.]){re.escape(n)}(?!\w)", text))


def test_generated_blocks_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """The generated tables are those that the code gives."""
    assert generate_docs.main(["--check"]) == 0, capsys.readouterr().err


def test_stale_blocks_are_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` names a stale file and leaves it; without it the file is written."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: error classes -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(generate_docs, "DOCS", tmp_path)
    assert generate_docs.main(["--check"]) == 1
    assert "page.md" in capsys.readouterr().err
    assert "old" in page.read_text()
    assert generate_docs.main([]) == 0
    assert "old" not in page.read_text()
    assert page.read_text().startswith("before\n")
    assert page.read_text().endswith("after\n")
    assert generate_docs.main(["--check"]) == 0


def test_every_setting_is_described() -> None:
    """Every setting has its place in the reference."""
    assert not missing(set(OPTIONS), code(ROOT / "docs" / "configuration.md"))


def test_every_metric_is_described() -> None:
    """Every metric is in the reference, with each of its labels."""
    assert not missing({metric.name for metric in METRICS}, TELEMETRY)
    assert not missing({label for metric in METRICS for label in metric.labels}, TELEMETRY)


def test_every_name_in_use_is_described() -> None:
    """Every attribute and event that the source uses is described, baggage with attribution."""
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"semconv\.([A-Z0-9_]+)\b", source))
    names = {name: value for name, value in vars(semconv).items() if isinstance(value, str)}
    dotted = {n: value for n, value in names.items() if n in used and "." in value}
    baggage = {value for name, value in dotted.items() if name.startswith("BAGGAGE_")}
    assert not missing(set(dotted.values()) - baggage, TELEMETRY)
    assert not missing(baggage, code(ROOT / "docs" / "attribution.md"))


def test_everything_emitted_is_described(p: Provider) -> None:
    """What a program that uses every part emits is in the reference, to the last attribute."""
    settings: dict[str, Any] = {
        "semconv": "both",
        "capture_content": "span_and_event",
        "user_id": "plain",
        "tags": ["team"],
        "providers": {"127.0.0.1": "openai"},
        "per_chunk_metric": True,
    }
    with (
        testing.capture(**settings) as telemetry,
        openai.OpenAI(base_url=p.url, api_key="test", max_retries=0) as client,
    ):
        _use_everything(client, p)
    emitted = set(_names(telemetry))
    assert {"gen_ai.request.seed", "llm_otel.tag.team", "gen_ai.tokens.reasoning"} <= emitted
    assert not missing({re.sub(r"\.tag\..*", ".tag.", name) for name in emitted}, TELEMETRY)


def _use_everything(client: openai.OpenAI, p: Provider) -> None:
    chat: Any = {"model": "o3-mini", "messages": MESSAGES}
    who: Any = {"tenant_id": "acme", "feature": "search", "user_id": "u", "session_id": "s"}
    with llm_otel.attribution(**who, conversation_id="c", tags={"team": "red"}):
        client.chat.completions.create(**chat, seed=1, n=2, temperature=0, stop=["x"])
        list(client.chat.completions.create(**chat, stream=True))
        client.responses.create(model="gpt-5", input="Hello", reasoning={"effort": "low"})
        begun = client.responses.create(model="gpt-5", input="Hello", background=True)
        while client.responses.retrieve(begun.id).status != "completed":
            pass
        client.embeddings.create(model="text-embedding-3-small", input="Hello", dimensions=8)
        client.images.generate(model="gpt-image-1", prompt="a house")
        p.enqueue("server_error")
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**chat)
        with llm_otel.workflow("w"), llm_otel.agent("a", model="m", id="1", description="d"):
            with llm_otel.tool("t", call_id="1", description="d") as tool:
                tool.set_arguments({})
                tool.set_result("r")
            with llm_otel.retrieval("store", provider="house", top_k=2) as search:
                search.set_query("q")
                search.set_documents([])
            with llm_otel.embedding("m", dimensions=8) as embedding:
                embedding.set_usage(1)
            llm_otel.score("s", 0.5, label="fair", explanation="so so", response_id="r")
            llm_otel.outcome(success=True, kind="k", value_usd=1, response_id="r")


def _names(telemetry: Telemetry) -> Iterator[str]:
    for span in telemetry.spans:
        yield from span.attributes
    for record in telemetry.logs:
        assert record.event is not None
        yield record.event
        yield from record.attributes
    for name, points in telemetry.metrics().items():
        yield name
        for point in points:
            yield from point.attributes


def test_every_public_name_is_described() -> None:
    """Every public name is shown as code on some page."""
    text = "\n".join(code(page) for page in PAGES)
    assert not [n for n in llm_otel.__all__ if not re.search(rf"\b{n}\b", text)]
    kit = code(ROOT / "docs" / "testing.md")
    assert not [name for name in testing.__all__ if not re.search(rf"\b{name}\b", kit)]
    assert not missing(set(testing.FAULTS), kit)


def _public() -> Iterator[tuple[str, Any]]:
    for module in (llm_otel, testing):
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found) or inspect.isclass(found):
                yield name, found


FUNCTIONS = {name: found for name, found in _public() if inspect.isfunction(found)}
METHODS = {
    f"{cls.__name__}.{name}": member
    for _, cls in _public()
    if inspect.isclass(cls)
    for name, member in inspect.getmembers(cls)
    if not name.startswith("_") and (inspect.isfunction(member) or inspect.ismethod(member))
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_arguments_are_described(function: Callable[..., Any]) -> None:
    """A public function's docstring describes each argument."""
    described = (inspect.getdoc(function) or "").partition("Args:")[2]
    assert not missing(set(inspect.signature(function).parameters), described)


@pytest.mark.parametrize(
    "function", [*FUNCTIONS.values(), *METHODS.values()], ids=[*FUNCTIONS, *METHODS]
)
def test_errors_are_described(function: Callable[..., Any]) -> None:
    """A public function or method has a docstring, and says what it raises itself."""
    text = inspect.getdoc(function)
    assert text
    source = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(source))
    assert not raises or "Raises:" in text


def test_client_versions_are_those_that_are_tested() -> None:
    """The page of clients names each with the versions that its file declares."""
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (\S+) – (\d+)\.x \|", page, re.MULTILINE)
    specs = clients.load()
    assert {client for client, *_ in rows} == set(clients.built_in())
    for client, low, high in rows:
        supported = specs[clients.name_of(client)].load().supported
        assert supported == f">={low.removesuffix('.x')},<{int(high) + 1}", client


def test_docs_are_reached_from_the_readme() -> None:
    """Every page is linked from the README, those on migration from their overview."""
    text = README.read_text(encoding="utf-8")
    overview = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")
    text += overview.replace("(migration-", "(docs/migration-")
    assert not [page.name for page in DOCS if f"(docs/{page.name}" not in text]
