"""A function of a store that searches, with a `retrieval` span around it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context, create_key, get_current, set_value
from opentelemetry.trace import Span

from llm_otel import semconv
from llm_otel.base import guard
from llm_otel.base.activation import Run
from llm_otel.core import runtime
from llm_otel.seams import patches
from llm_otel.seams.patches import Patch
from llm_otel.spans import RETRIEVAL, RetrievalRun
from llm_otel.stores.spec import Matches, Question, Search, Store

# The store that is being searched: its functions call each other.
_SEARCHED = create_key("llm_otel.store")

# Results whose scores are looked at.
_MOST = 10_000


def install(store: Store) -> None:
    """Put spans around a store's searches."""
    required = [_patch(store, each) for each in store.searches if not each.optional]
    optional = [_patch(store, each) for each in store.searches if each.optional]
    patches.install(store, required)
    patches.install(store, optional, on_unknown=lambda _: None)


def _patch(store: Store, search: Search) -> Patch:
    make = partial(_asynchronous if search.asynchronous else _sync, store, search)
    return Patch(search.module, search.function, make, search.parameters)


# ------------------------------------------------------------------ functions
def _sync(store: Store, search: Search, original: Any) -> Callable[..., Any]:
    parameters = _parameters(original)

    def function(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = _begin(store, search, self, {**dict(zip(parameters, args)), **kwargs})
        if run is None:
            return original(self, *args, **kwargs)
        with run:
            result = original(self, *args, **kwargs)
            _end(search, run, result)
        return result

    return function


def _asynchronous(store: Store, search: Search, original: Any) -> Callable[..., Any]:
    parameters = _parameters(original)

    async def function(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = _begin(store, search, self, {**dict(zip(parameters, args)), **kwargs})
        if run is None:
            return await original(self, *args, **kwargs)
        with run:
            result = await original(self, *args, **kwargs)
            _end(search, run, result)
        return result

    return function


def _parameters(original: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(original).parameters)[1:]


# ------------------------------------------------------------------ the search
class _Searching(RetrievalRun):
    """A search with a span of its own."""

    def __init__(self, store: Store, question: Question, attributes: dict[str, Any]) -> None:
        self._system = store.system
        super().__init__(RETRIEVAL, question.collection, attributes)

    def _handed_down(self, context: Context) -> Context:
        return set_value(_SEARCHED, self._system, context)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Say more of the search."""
        self._span.set_attributes(attributes)

    def set_documents_from(self, documents: Callable[[], list[Any]]) -> None:
        """The results, which are made plain data only where they are recorded."""
        self._capture(semconv.RETRIEVAL_DOCUMENTS, documents)


class _Inside(Run):
    """A search inside a `retrieval` span of the program or a framework, which is this very one: it
    is told what that lacks."""

    def __init__(self, store: Store, span: Span, attributes: dict[str, Any]) -> None:
        super().__init__(set_value(_SEARCHED, store.system, get_current()))
        self._span = span
        self.set_attributes(attributes)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Say more of the search."""
        present: Mapping[str, Any] = getattr(self._span, "attributes", None) or {}
        self._span.set_attributes({k: v for k, v in attributes.items() if k not in present})


def _begin(
    store: Store, search: Search, client: Any, arguments: Mapping[str, Any]
) -> _Searching | _Inside | None:
    try:
        if runtime.active() is None:
            return None
        question = search.question(client, arguments)
        if question is None or runtime.live() is None:
            return None
        if get_current().get(_SEARCHED) == store.system:
            return None
        return _search(store, question)
    except Exception as exc:  # noqa: BLE001
        guard.handle("store", exc)
        return None


def _search(store: Store, question: Question) -> _Searching | _Inside:
    attributes: dict[str, Any] = {
        semconv.PROVIDER_NAME: store.system,
        semconv.DB_SYSTEM_NAME: store.system,
    }
    if type(question.top_k) is int and question.top_k >= 0:
        attributes[semconv.RETRIEVAL_TOP_K] = question.top_k
    outer = trace.get_current_span()
    if _is_open_retrieval(outer):
        if question.collection is not None:
            attributes[semconv.DATA_SOURCE_ID] = question.collection
        return _Inside(store, outer, attributes)
    run = _Searching(store, question, attributes)
    if question.text is not None:
        run.set_query(question.text)
    return run


def _is_open_retrieval(span: Span) -> bool:
    """Whether a span is of a search, and nobody has said yet of which."""
    present: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    return (
        span.is_recording()
        and present.get(semconv.OPERATION_NAME) == semconv.RETRIEVAL
        and semconv.DB_SYSTEM_NAME not in present
    )


def _end(search: Search, run: _Searching | _Inside, result: Any) -> None:
    try:
        matches = search.matches(result)
        attributes = _described(matches)
        run.set_attributes(attributes)
        if isinstance(run, _Searching):
            run.set_documents_from(matches.documents)
    except Exception as exc:  # noqa: BLE001
        guard.handle("store", exc)


def _described(matches: Matches) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if matches.rows is not None:
        attributes[semconv.DB_RETURNED_ROWS] = matches.rows
    for values, low, high in (
        (matches.scores, semconv.RETRIEVAL_SCORE_MIN, semconv.RETRIEVAL_SCORE_MAX),
        (matches.distances, semconv.RETRIEVAL_DISTANCE_MIN, semconv.RETRIEVAL_DISTANCE_MAX),
    ):
        numbers = [float(value) for value in values[:_MOST] if value is not None]
        if numbers and len(numbers) == len(values):
            attributes[low], attributes[high] = min(numbers), max(numbers)
    return attributes
