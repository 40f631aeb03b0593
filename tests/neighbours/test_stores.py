"""Searches in vector stores: one span each, what is known of them, and nothing changed."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

import llm_otel
from llm_otel.testing import Provider, SpanRecord, Telemetry

Instrument = Callable[..., Telemetry]


def described(span: SpanRecord) -> tuple[Any, ...]:
    """Store, collection, limit, results, and the nearest and the farthest of these."""
    attributes = span.attributes
    kind = "distance" if "llm_otel.retrieval.distance.min" in attributes else "score"
    return (
        attributes["db.system.name"],
        attributes.get("gen_ai.data_source.id"),
        attributes.get("gen_ai.retrieval.top_k"),
        attributes.get("db.response.returned_rows"),
        kind,
        *(round(attributes[f"llm_otel.retrieval.{kind}.{end}"], 3) for end in ("min", "max")),
    )


class TestQdrant:
    """Every run has this store, in memory."""

    @pytest.fixture
    def client(self) -> Any:
        qdrant = pytest.importorskip("qdrant_client")
        client = qdrant.QdrantClient(":memory:")
        self.fill(client)
        return client

    @staticmethod
    def fill(client: Any) -> list[Any]:
        from qdrant_client import models

        size = models.VectorParams(size=2, distance=models.Distance.COSINE)
        points = [
            models.PointStruct(id=i, vector=[1.0, i], payload={"text": f"page {i}"})
            for i in range(4)
        ]
        return [client.create_collection("pages", size), client.upsert("pages", points)]

    def test_a_search_is_a_span(self, client: Any, instrumented: Instrument) -> None:
        """By the conventions, with the attribution, and no content."""
        telemetry = instrumented()
        with llm_otel.attribution(tenant_id="acme"), llm_otel.workflow("ask"):
            client.query_points("pages", query=[1.0, 0.0], limit=3)
        span = telemetry.spans[1]
        assert (span.name, span.kind, span.parent) == (
            "retrieval pages",
            "CLIENT",
            "invoke_workflow ask",
        )
        assert described(span) == ("qdrant", "pages", 3, 3, "score", 0.447, 1.0)
        assert span.attributes["gen_ai.operation.name"] == "retrieval"
        assert span.attributes["tenant_id"] == "acme"
        assert "page" not in {*map(str, span.attributes.values())} - {"pages"}
        duration = {"gen_ai.operation.name": "retrieval", "gen_ai.provider.name": "qdrant"}
        assert telemetry.count("gen_ai.client.operation.duration", **duration) == 1

    def test_results_are_those_without_us(self, client: Any, instrumented: Instrument) -> None:
        """Value, type and signature."""
        asked = {"collection_name": "pages", "query": [1.0, 0.5], "limit": 2}
        plain, signature = client.query_points(**asked), inspect.signature(client.query_points)
        instrumented()
        result = client.query_points(**asked)
        assert (type(result), result) == (type(plain), plain)
        assert inspect.signature(client.query_points) == signature

    def test_groups_and_batches(self, client: Any, instrumented: Instrument) -> None:
        """One span for one call, over all that came."""
        from qdrant_client import models

        telemetry = instrumented()
        client.query_points_groups("pages", "text", query=[1.0, 0.0], limit=4)
        request = models.QueryRequest(query=[1.0, 0.0], limit=2)
        client.query_batch_points("pages", [request, request])
        assert [described(each)[1:4] for each in telemetry.spans] == [
            ("pages", 4, 4),
            ("pages", 2, 4),
        ]

    def test_asynchronous(self, instrumented: Instrument) -> None:
        """The asynchronous client is another class."""
        qdrant = pytest.importorskip("qdrant_client")
        telemetry = instrumented()

        async def main() -> None:
            client = qdrant.AsyncQdrantClient(":memory:")
            for step in self.fill(client):
                await step
            await client.query_points("pages", query=[1.0, 0.0], limit=3)

        asyncio.run(main())
        assert described(telemetry.span) == ("qdrant", "pages", 3, 3, "score", 0.447, 1.0)

    def test_an_error(self, client: Any, instrumented: Instrument) -> None:
        """The store's exception, on the span by its class alone."""
        telemetry = instrumented()
        with pytest.raises(ValueError, match="nowhere"):
            client.query_points("nowhere", query=[1.0, 0.0])
        span = telemetry.span
        assert (span.status, span.attributes["error.type"]) == ("ERROR", "ValueError")
        assert "db.response.returned_rows" not in span.attributes

    def test_documents_by_opt_in(self, client: Any, instrumented: Instrument) -> None:
        """Ids, scores and payloads are the application's data."""
        telemetry = instrumented(capture_content="span_only")
        client.query_points("pages", query=[1.0, 0.0], limit=1)
        assert "page 0" in telemetry.span.attributes["gen_ai.retrieval.documents"]

    def test_inside_a_step_of_the_program(self, client: Any, instrumented: Instrument) -> None:
        """A `retrieval` step is this very search: it is told what it lacks, and keeps what it
        has. A second search in it is one of its own."""
        telemetry = instrumented()
        with llm_otel.retrieval("handbook", provider="ours"):
            client.query_points("pages", query=[1.0, 0.0], limit=2)
            client.query_points("pages", query=[1.0, 0.0], limit=1)
        assert telemetry.tree() == "retrieval handbook\n  retrieval pages"
        assert described(telemetry.spans[0])[:4] == ("qdrant", "handbook", 2, 2)
        assert telemetry.spans[0].attributes["gen_ai.provider.name"] == "ours"

    def test_switched_off(self, client: Any, instrumented: Instrument) -> None:
        """With the setting there is no span."""
        telemetry = instrumented(stores=False)
        client.query_points("pages", query=[1.0, 0.0], limit=2)
        assert telemetry.spans == []

    def test_a_function_that_has_changed(
        self, client: Any, instrumented: Instrument, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One warning, and the store is left alone."""
        cls = type(client)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cls, "query_points", lambda self, anything: anything)
            telemetry = instrumented()
            assert client.query_points(7) == 7
            llm_otel.uninstrument()
        assert telemetry.spans == []
        assert any("QdrantClient.query_points" in each.message for each in caplog.records)


def test_embeddings_made_inside_are_children(p: Provider, instrumented: Instrument) -> None:
    """A store that embeds the query itself by an instrumented client."""
    chromadb = pytest.importorskip("chromadb")
    telemetry = instrumented()

    class Embedding(chromadb.EmbeddingFunction):
        def __init__(self) -> None:
            pass

        def __call__(self, input: Any) -> Any:
            with openai.OpenAI(base_url=p.url, api_key="x") as client:
                answer = client.embeddings.create(model="text-embedding-3-small", input=input)
            return [each.embedding for each in answer.data]

        @staticmethod
        def name() -> str:
            return "stage"

        @staticmethod
        def build_from_config(config: Any) -> Any:
            return Embedding()

        def get_config(self) -> Any:
            return {}

    client = chromadb.EphemeralClient()
    books = client.get_or_create_collection("asked", embedding_function=Embedding())
    books.add(ids=["a"], documents=["rain"])
    books.query(query_texts=["weather"], n_results=1)
    assert telemetry.tree().splitlines()[1:] == [
        "retrieval asked",
        "  embeddings text-embedding-3-small",
    ]


def test_chroma(instrumented: Instrument) -> None:
    """Distances, over all queries of a call; texts are content."""
    chromadb = pytest.importorskip("chromadb")
    books = chromadb.EphemeralClient().get_or_create_collection("books", embedding_function=None)
    books.upsert(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["sun", "rain"])
    telemetry = instrumented()
    plain = books.query(query_embeddings=[[1, 0], [1, 0]], n_results=2)
    assert plain["ids"] == [["a", "b"], ["a", "b"]]
    assert described(telemetry.span) == ("chroma", "books", 2, 4, "distance", 0.0, 2.0)
    telemetry = instrumented(capture_content="span_only")
    books.query(query_embeddings=[[1, 0]], n_results=1)
    assert '"content":"sun"' in telemetry.span.attributes["gen_ai.retrieval.documents"]


def test_lancedb(instrumented: Instrument, tmp_path: Path) -> None:
    """The query runs where its results are fetched, whichever way; a scan is no search."""
    lancedb = pytest.importorskip("lancedb")
    table = lancedb.connect(tmp_path).create_table(
        "docs", [{"vector": [1.0, float(i)], "text": f"page {i}"} for i in range(4)]
    )
    telemetry = instrumented()
    for results in ("to_list", "to_arrow", "to_pandas"):
        getattr(table.search([1.0, 0.0]).limit(2), results)()
    table.to_pandas()
    table.search().limit(2).to_list()
    expected = ("lancedb", "docs", 2, 2, "distance", 0.0, 1.0)
    assert [described(each) for each in telemetry.spans] == [expected] * 3


def test_lancedb_hybrid(instrumented: Instrument, tmp_path: Path) -> None:
    """A hybrid query runs two others in threads: it is one search."""
    lancedb = pytest.importorskip("lancedb")
    from lancedb.index import FTS

    table = lancedb.connect(tmp_path).create_table(
        "docs", [{"vector": [1.0, float(i)], "text": f"page {i}"} for i in range(4)]
    )
    table.create_index("text", config=FTS())
    telemetry = instrumented()
    table.search(query_type="hybrid").vector([1.0, 0.0]).text("page").limit(2).to_list()
    assert described(telemetry.span)[:5] == ("lancedb", "docs", 2, 2, "score")


def test_lancedb_asynchronous(instrumented: Instrument, tmp_path: Path) -> None:
    """Its asynchronous queries share one function, plain scans included."""
    lancedb = pytest.importorskip("lancedb")
    telemetry = instrumented()

    async def main() -> None:
        database = await lancedb.connect_async(tmp_path)
        rows = [{"vector": [1.0, float(i)]} for i in range(4)]
        table = await database.create_table("docs", rows)
        await (await table.search([1.0, 0.0])).limit(2).to_list()
        await table.query().limit(2).to_list()

    asyncio.run(main())
    assert described(telemetry.span) == ("lancedb", "docs", None, 2, "distance", 0.0, 1.0)


def test_nothing_is_imported() -> None:
    """`instrument()` imports no store, and the table of stores when the first is imported."""
    program = (
        "import sys, llm_otel; llm_otel.instrument(setup=False); "
        "from llm_otel.stores import PACKAGES; "
        "print([each for each in (*PACKAGES, 'llm_otel.stores.table') if each in sys.modules]); "
        "from llm_otel.stores.table import STORES; "
        "print(sorted(each.package for each in STORES) == sorted(PACKAGES))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n") == ["[]", "True", ""], ran.stdout
