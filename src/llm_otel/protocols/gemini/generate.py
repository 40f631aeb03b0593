"""Generated content, whole and streamed: usage, finish reasons, grounding, errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llm_otel import semconv
from llm_otel.base import read
from llm_otel.protocols.answer import Answer
from llm_otel.protocols.gemini.candidates import Candidate, parsed
from llm_otel.protocols.gemini.common import Google, error_in
from llm_otel.protocols.gemini.finish_reasons import finish_reason
from llm_otel.protocols.gemini.requests import ATTRIBUTES
from llm_otel.protocols.gemini.usage import reported_usage, service_tier
from llm_otel.protocols.spec import Accumulator, Endpoint, Fold, Request
from llm_otel.usage import Usage

if TYPE_CHECKING:
    from llm_otel.content.model import Content, Message
    from llm_otel.providers.dialects import Dialect

# Models whose searches are billed by the prompt; later ones, by the query.
# https://ai.google.dev/gemini-api/docs/google-search#pricing
_BY_PROMPT = re.compile(r"(models/)?gemini-(1|2)[.-]")

# Tools whose grounding has a fee that is not that of Google Search.
# https://cloud.google.com/vertex-ai/generative-ai/pricing
_OTHER_SEARCHES = ("enterpriseWebSearch", "enterprise_web_search", "parallelAiSearch")
_RETRIEVAL = ("retrieval",)
_URL_CONTEXT = ("urlContext", "url_context")
_SEARCHES = (
    "googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval",
    *_OTHER_SEARCHES,
)  # fmt: skip

# Doubts of an answer: it names pages, and no query.
_PAGES = frozenset({"pages"})


class GenerateContent(Google):
    """One answer with candidates, or the error object in its place.

    A node is the answer, or its JSON text.
    """

    attributes = ATTRIBUTES

    def answer(self, node: object, endpoint: Endpoint, dialect: Dialect) -> Answer:
        """Everything that a whole answer tells."""
        body = read.fields(parsed(node))
        candidates = [Candidate.of(each) for each in read.items(body, "candidates")]
        return _answer(body, candidates, endpoint, dialect)

    def complete(self, used: Usage, request: Request, answer: Answer, dialect: Dialect) -> None:  # noqa: ARG002
        """What searches are billed by depends on the model, and on the tool."""
        tools = tool_names(request.body)
        settle_pages(used, answer, tools)
        bill_searches(used, answer.model or self.model(request), tools)

    def fold(self, endpoint: Endpoint, dialect: Dialect) -> Fold:
        """Chunks, of which the last tells the whole usage."""
        return Chunks(endpoint, dialect)

    def request_content(self, body: object) -> Content:
        """Contents, system instruction and tools."""
        from llm_otel.protocols.gemini.content import request_content

        return request_content(body)

    def response_content(self, response: object) -> list[Message]:
        """A message for each candidate."""
        from llm_otel.protocols.gemini.content import response_content

        return response_content(parsed(response))

    def accumulator(self) -> Accumulator:
        """The candidates, put together of their pieces."""
        from llm_otel.protocols.gemini.content import Candidates

        return Candidates()


def _answer(
    body: Mapping[str, object],
    candidates: list[Candidate],
    endpoint: Endpoint,
    dialect: Dialect,
) -> Answer:
    """The answer of a whole body and its candidates."""
    metadata = body.get("usageMetadata")
    used = reported_usage(metadata, endpoint)
    result = Answer(
        read.string(body.get("responseId")),
        read.string(body.get("modelVersion")),
        service_tier=service_tier(metadata),
        finish_reasons=[finish_reason(each.stop, each.calls_tool) for each in candidates],
        usage=used,
    )
    if not candidates and read.path(body, ("promptFeedback", "blockReason")) is not None:
        result.finish_reasons = [semconv.CONTENT_FILTER]
    if "error" in body:
        result.error = error_in(body, dialect)
    if used is not None:
        if not used.output_tokens and any(each.says for each in candidates):
            used.partial = True  # content that nobody counted
        for each in candidates:
            if each.grounding is not None and _add_searches(used, each.grounding):
                result.doubts = _PAGES
    return result


# ------------------------------------------------------------------ grounding
def _add_searches(used: Usage, grounding: object) -> bool:
    """Count what a candidate was grounded in: searches of the web, of stores, of maps.

    Returns:
        Whether it has pages of the web without a query, for which only the request tells the fee.
    """
    queries = {
        query
        for key in ("webSearchQueries", "imageSearchQueries")
        for query in read.items(grounding, key)
        if type(query) is str and query
    }
    chunks = [read.fields(each) for each in read.items(grounding, "groundingChunks")]
    web = any("web" in chunk or "image" in chunk for chunk in chunks)
    used.web_searches += len(queries)
    if any("retrievedContext" in chunk for chunk in chunks):
        used.file_searches += 1
    maps = any("maps" in chunk for chunk in chunks)
    if maps or read.get(grounding, "googleMapsWidgetContextToken") is not None:
        used.partial = True
    return web and not queries


def settle_pages(used: Usage, answer: Answer, tools: frozenset[str]) -> None:
    """Count the search that pages without a query stand for.

    Pages that the prompt names, which URL context reads, cost their tokens alone:
    https://ai.google.dev/gemini-api/docs/url-context#token-count

    Args:
        used: The usage, to which a search may be added.
        answer: Its doubts tell of such pages.
        tools: Of the request.
    """
    if answer.doubts != _PAGES:
        return
    if tools.isdisjoint(_URL_CONTEXT) or not tools.isdisjoint(_SEARCHES):
        used.web_searches += 1
        used.partial = True


def tool_names(body: Mapping[str, object]) -> frozenset[str]:
    """The tools of a request, by their keys or types."""
    tools = read.items(body, "tools")
    return frozenset(
        name
        for tool in tools
        for name in (*read.fields(tool), read.string(read.get(tool, "type")) or "")
    )


def bill_searches(used: Usage, model: str | None, tools: frozenset[str]) -> None:
    """Turn what was searched into what is billed.

    Args:
        used: The usage, which counts queries.
        model: Who answered.
        tools: Of the request.
    """
    if used.web_searches and not tools.isdisjoint(_OTHER_SEARCHES):
        used.web_searches, used.partial = 0, True
    elif used.web_searches and model is not None and _BY_PROMPT.match(model):
        used.web_searches = 1
    if used.file_searches and tools.isdisjoint(_RETRIEVAL):
        used.file_searches = 0  # a file search costs its tokens alone


# ------------------------------------------------------------------ streams
class Chunks:
    """Folds the chunks of a stream, each of the shape of an answer.

    Each may tell the usage so far, in numbers that may also fall: the last counts. A chunk that
    comes as text is parsed only where it tells more than a piece of content: a quote inside a text
    is escaped, so that no text holds a key.
    """

    __slots__ = (
        "_body", "_candidates", "_dialect", "_endpoint", "_first", "_says", "_usage", "hides",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self._endpoint = endpoint
        self._dialect = dialect
        self.hides = False
        self._first: object = None
        self._says = False
        self._usage: object = None
        self._body: dict[str, object] = {}
        self._candidates: dict[object, Candidate] = {}

    def goes_on(self, chunk: Any) -> bool:
        """Whether a chunk is text that holds a piece of content and at most the usage so far; see
        `Fold`. Written out, as it is asked of every chunk. What blocks a prompt, and an error,
        have no candidates beside them."""
        if (
            type(chunk) is not str
            or not chunk.startswith('{"candidates"')
            or '"finishReason":' in chunk
            or '"functionCall":' in chunk
            or '"groundingMetadata":' in chunk
        ):
            return False
        if '"usageMetadata":' in chunk:
            self._usage = chunk
        elif self._first is None:
            self._first = chunk
        self._says = True
        return True

    def add(self, chunk: Any) -> None:
        """Take a chunk in."""
        if self.goes_on(chunk):
            return
        if type(chunk) is str:
            chunk = parsed(chunk)
        if read.get(chunk, "usageMetadata") is not None:
            self._usage = chunk
        elif self._first is None:
            self._first = chunk
        body = read.fields(chunk)
        self._body.update({key: body[key] for key in _KEPT if body.get(key) is not None})
        for node in read.items(body, "candidates"):
            index = read.integer(read.get(node, "index")) or 0
            before = self._candidates.get(index)
            candidate = Candidate.of(node)
            self._candidates[index] = candidate if before is None else candidate.after(before)

    def answer(self) -> Answer:
        """What the chunks told so far."""
        last = read.fields(parsed(self._usage))
        body = {**read.fields(parsed(self._first)), **last, **self._body}
        # Only the last usage: that of a chunk which tells more may be an earlier one.
        body["usageMetadata"] = last.get("usageMetadata")
        candidates = list(self._candidates.values()) or [Candidate()] * self._says
        if self._says:
            candidates = [each._replace(says=True) for each in candidates]
        result = _answer(body, candidates, self._endpoint, self._dialect)
        if result.usage is not None and not self.ended:
            result.usage.partial = True
        return result

    @property
    def ended(self) -> bool:
        """Whether each candidate told why it ended, or the prompt was blocked."""
        candidates = self._candidates.values()
        if candidates:
            return all(each.stop is not None for each in candidates)
        return read.path(self._body, ("promptFeedback", "blockReason")) is not None


# What answers tell besides candidates and usage.
_KEPT = ("responseId", "modelVersion", "promptFeedback", "error")
