"""Stores that are servers: the real clients against a local server that speaks their protocol."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from neighbours.test_stores import Instrument, described

Answers = dict[str, tuple[int, Any]]


@contextmanager
def answering(answers: Answers, **headers: str) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A server that answers by the path's end with a status and JSON.

    Yields:
        Its port, and the bodies that it got.
    """
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            bodies.append(json.loads(self.rfile.read(length) or b"{}"))
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            known = [answer for end, answer in answers.items() if path.endswith(end)]
            status, value = known[0] if known else (404, {})
            data = json.dumps(value).encode()
            self.send_response(status)
            kinds = {"content-type": "application/json", **headers}
            for name, text in {**kinds, "content-length": str(len(data))}.items():
                self.send_header(name.replace("_", "-"), text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


HITS: Any = {
    "took": 1,
    "timed_out": False,
    "hits": {
        "hits": [
            {"_id": "a", "_index": "pages", "_score": 1.5, "_source": {"text": "sun"}},
            {"_id": "b", "_index": "pages", "_score": 0.5, "_source": {"text": "rain"}},
        ]
    },
}
KNN: Any = {"field": "v", "query_vector": [1.0, 0.0], "k": 2, "num_candidates": 9}
MATCHES = {"matches": [{"id": "a", "score": 0.9}, {"id": "b", "score": 0.2}], "namespace": ""}
RECORDS = {
    "result": {"hits": [{"_id": "a", "_score": 0.7, "fields": {"text": "sun"}}]},
    "usage": {"read_units": 1},
}


class TestElasticsearch:
    @pytest.fixture
    def url(self) -> Iterator[str]:
        answers = {"/pages/_search": (200, HITS), "/none/_search": (404, {"error": "no"})}
        header = {
            "X_Elastic_Product": "Elasticsearch",
            "content-type": "application/vnd.elasticsearch+json;compatible-with=9",
        }
        with answering(answers, **header) as (port, _):
            yield f"http://127.0.0.1:{port}"

    def test_by_vectors(self, url: str, instrumented: Instrument) -> None:
        """A nearest-neighbour search is a span; a search of something else is none."""
        elasticsearch = pytest.importorskip("elasticsearch")
        telemetry = instrumented()
        with elasticsearch.Elasticsearch(url) as client:
            found = client.search(index="pages", knn=KNN)
            client.search(index="pages", query={"knn": {"field": "v"}}, size=5)
            client.search(index="pages", query={"match": {"level": "error"}})
        assert found["hits"]["hits"][0]["_id"] == "a"
        spans = [each for each in telemetry.spans if each.name.startswith("retrieval")]
        assert [described(each) for each in spans] == [
            ("elasticsearch", "pages", 2, 2, "score", 0.5, 1.5),
            ("elasticsearch", "pages", 5, 2, "score", 0.5, 1.5),
        ]

    def test_asynchronous_and_failing(self, url: str, instrumented: Instrument) -> None:
        """The other client, and an index that is not there."""
        elasticsearch = pytest.importorskip("elasticsearch")
        telemetry = instrumented()

        async def main() -> None:
            async with elasticsearch.AsyncElasticsearch(url) as client:
                await client.search(index="pages", knn=KNN)
                with pytest.raises(elasticsearch.NotFoundError):
                    await client.search(index="none", knn=KNN)

        asyncio.run(main())
        good, bad = (each for each in telemetry.spans if each.name.startswith("retrieval"))
        assert described(good)[3] == 2
        assert (bad.name, bad.status) == ("retrieval none", "ERROR")
        assert bad.attributes["error.type"] == "elasticsearch.NotFoundError"


class TestPinecone:
    @pytest.fixture
    def host(self) -> Iterator[str]:
        with answering({"/query": (200, MATCHES), "/search": (200, RECORDS)}) as (port, _):
            yield f"http://127.0.0.1:{port}"

    def test_by_vectors_and_by_text(self, host: str, instrumented: Instrument) -> None:
        """Both ways of the client; the text is content."""
        pinecone = pytest.importorskip("pinecone")
        telemetry = instrumented(capture_content="span_only")
        with pinecone.Index(host=host, api_key="x") as index:
            response = index.query(top_k=2, vector=[1.0, 0.0])
            index.search(namespace="n", top_k=3, inputs={"text": "weather"})
        assert [each.id for each in response.matches] == ["a", "b"]
        assert [described(each) for each in telemetry.spans] == [
            ("pinecone", None, 2, 2, "score", 0.2, 0.9),
            ("pinecone", None, 3, 1, "score", 0.7, 0.7),
        ]
        assert telemetry.spans[1].attributes["gen_ai.retrieval.query.text"] == "weather"
        assert "sun" in telemetry.spans[1].attributes["gen_ai.retrieval.documents"]

    def test_asynchronous(self, host: str, instrumented: Instrument) -> None:
        """The other client."""
        pinecone = pytest.importorskip("pinecone")
        telemetry = instrumented()

        async def main() -> None:
            async with pinecone.AsyncIndex(host=host, api_key="x") as index:
                await index.query(top_k=2, vector=[1.0, 0.0])

        asyncio.run(main())
        assert described(telemetry.span)[3] == 2

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("https://my-books-1a2b3c4.svc.aped-4627-b74a.pinecone.io", "my-books"),
            ("my-books-1a2b3c4.svc.aped-4627-b74a.pinecone.io", "my-books"),
            ("https://localhost:5081", None),
        ],
    )
    def test_the_index_is_in_the_host(self, host: str, name: str | None) -> None:
        """The client knows no other name of it."""
        from llm_otel.stores.table import STORES

        (store,) = (each for each in STORES if each.package == "pinecone")
        question = store.searches[0].question(SimpleNamespace(host=host), {"top_k": 1})
        assert question is not None
        assert question.collection == name


class TestWeaviate:
    @pytest.fixture
    def ports(self) -> Iterator[tuple[int, int]]:
        pytest.importorskip("weaviate")
        import grpc
        from weaviate.proto.v1 import search_get_pb2, weaviate_pb2_grpc

        class Servicer(weaviate_pb2_grpc.WeaviateServicer):
            def Search(self, request: Any, context: Any) -> Any:
                if request.collection == "None_":
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such collection")
                reply = search_get_pb2.SearchReply()
                for number, distance in enumerate((0.1, 0.4)):
                    result = reply.results.add()
                    result.metadata.id = f"00000000-0000-0000-0000-00000000000{number}"
                    kind = "score" if request.metadata.score else "distance"
                    value = 1 - distance if kind == "score" else distance
                    setattr(result.metadata, kind, value)
                    setattr(result.metadata, f"{kind}_present", True)
                return reply

        with (
            ThreadPoolExecutor(4) as pool,
            answering({"/meta": (200, {"version": "1.30.0"})}) as (
                port,
                _,
            ),
        ):
            server = grpc.server(pool)
            weaviate_pb2_grpc.add_WeaviateServicer_to_server(Servicer(), server)
            grpc_port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            try:
                yield port, grpc_port
            finally:
                server.stop(None).wait()

    @pytest.fixture
    def client(self, ports: tuple[int, int]) -> Iterator[Any]:
        import weaviate

        with weaviate.connect_to_custom(*self._places(ports), skip_init_checks=True) as client:
            yield client

    @staticmethod
    def _places(ports: tuple[int, int]) -> tuple[Any, ...]:
        return "127.0.0.1", ports[0], False, "127.0.0.1", ports[1], False

    def test_asynchronous(self, ports: tuple[int, int], instrumented: Instrument) -> None:
        """The other client."""
        import weaviate

        telemetry = instrumented()

        async def main() -> None:
            places = self._places(ports)
            async with weaviate.use_async_with_custom(*places, skip_init_checks=True) as client:
                query = client.collections.get("Pages").query
                await query.near_vector([1.0, 0.0], limit=2, return_metadata=["distance"])

        asyncio.run(main())
        assert described(telemetry.span) == ("weaviate", "Pages", 2, 2, "distance", 0.1, 0.4)

    def test_each_way_to_search(self, client: Any, instrumented: Instrument) -> None:
        """By a vector, a text, both, and by words."""
        telemetry = instrumented(capture_content="span_only")
        query = client.collections.get("Pages").query
        found = query.near_vector([1.0, 0.0], limit=2, return_metadata=["distance"])
        query.near_text("weather", limit=3, return_metadata=["distance"])
        query.hybrid("weather", limit=4, return_metadata=["score"])
        query.bm25("weather", limit=5, return_metadata=["score"])
        assert len(found.objects) == 2
        assert [described(each) for each in telemetry.spans] == [
            ("weaviate", "Pages", 2, 2, "distance", 0.1, 0.4),
            ("weaviate", "Pages", 3, 2, "distance", 0.1, 0.4),
            ("weaviate", "Pages", 4, 2, "score", 0.6, 0.9),
            ("weaviate", "Pages", 5, 2, "score", 0.6, 0.9),
        ]
        texts = [each.attributes.get("gen_ai.retrieval.query.text") for each in telemetry.spans]
        assert texts == [None, "weather", "weather", "weather"]

    def test_an_error(self, client: Any, instrumented: Instrument) -> None:
        """The client's exception, by its class."""
        telemetry = instrumented()
        with pytest.raises(Exception, match="no such collection"):
            client.collections.get("None_").query.near_vector([1.0, 0.0])
        assert telemetry.span.attributes["error.type"].startswith("weaviate.exceptions.")
