"""Questions about a manual: embed, search in a vector store, let a model answer from what is found.

What llm-otel needs to show an answer as one tree is `workflow` and `retrieval`; the calls to the
provider are seen without any help.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from openai import OpenAI
from qdrant_client import QdrantClient, models

import llm_otel

EMBEDDING_MODEL = "text-embedding-3-small"
DIMENSIONS = 1536

INSTRUCTIONS = (
    "Answer the customer's question from these passages of the manual alone, in at most three "
    "sentences. If they do not answer it, say so."
)


@dataclass(frozen=True)
class Passage:
    """A passage that was found, with its likeness to the question (1: the same)."""

    number: int
    text: str
    likeness: float


@dataclass(frozen=True)
class Answer:
    """An answer, the passages it rests on, and the provider's id of it."""

    text: str
    passages: Sequence[Passage]
    response_id: str


class Passages:
    """Passages of text in an embedded vector store.

    Args:
        client: Makes the embeddings.
        name: Of the collection.
        path: Folder of the store; by default it is kept in memory.
    """

    def __init__(self, client: OpenAI, name: str, path: str | None = None) -> None:
        self.name = name
        self._client = client
        self._store = QdrantClient(path=path) if path else QdrantClient(":memory:")
        self._lock = threading.Lock()  # the embedded store is made for one thread
        if not self._store.collection_exists(name):
            size = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
            self._store.create_collection(name, vectors_config=size)

    def add(self, texts: Sequence[str]) -> None:
        """Embed passages and put them into the store."""
        vectors = self._embed(texts)
        with self._lock:
            first = self._store.count(self.name).count
            points = [
                models.PointStruct(id=first + n, vector=vector, payload={"text": text})
                for n, (vector, text) in enumerate(zip(vectors, texts))
            ]
            self._store.upsert(self.name, points)

    def search(self, question: str, top_k: int = 3) -> list[Passage]:
        """The passages that are most like the question, best first."""
        (vector,) = self._embed([question])
        with llm_otel.retrieval(self.name, provider="qdrant", top_k=top_k) as step:
            with self._lock:
                hits = self._store.query_points(self.name, query=vector, limit=top_k).points
            # recorded only where the capture of content is switched on
            step.set_query(question)
            step.set_documents([{"id": str(hit.id), "score": hit.score} for hit in hits])
        return [Passage(int(hit.id), (hit.payload or {})["text"], hit.score) for hit in hits]

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _embed(self, texts: Sequence[str]) -> list[list[float]]:
        response = self._client.embeddings.create(model=EMBEDDING_MODEL, input=list(texts))
        return [item.embedding for item in response.data]


class Rag:
    """Answers from passages."""

    def __init__(self, client: OpenAI, passages: Passages, model: str = "gpt-4o-mini") -> None:
        self._client = client
        self._passages = passages
        self.model = model

    @llm_otel.workflow("rag")
    def answer(self, question: str) -> Answer:
        """Answer one question.

        Raises:
            openai.OpenAIError: The provider could not.
        """
        found = self._passages.search(question)
        context = "\n\n".join(passage.text for passage in found)
        completion = self._client.chat.completions.create(
            model=self.model,
            messages=[
                {"role": "system", "content": f"{INSTRUCTIONS}\n\n{context}"},
                {"role": "user", "content": question},
            ],
        )
        # about the current span, which is the workflow's
        llm_otel.score("relevance", min(1.0, max(0.0, found[0].likeness)))
        return Answer(completion.choices[0].message.content or "", found, completion.id)
