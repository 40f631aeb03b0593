"""What a row of the table says: which function searches, and what it is asked and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Question(NamedTuple):
    """What is searched for.

    Attributes:
        collection: Where: a collection, a table or an index; None where that is not known.
        top_k: How many results at most, for each query; None where there is no limit.
        text: The query, where it is a text.
    """

    collection: str | None
    top_k: int | None = None
    text: str | None = None


def _no_documents() -> list[object]:
    return []


class Matches(NamedTuple):
    """What came of a search.

    Attributes:
        rows: How many results; None where that is not known without reading them.
        scores: Of the results, the more the nearer.
        distances: Of the results, the less the nearer.
        documents: Gives the results as plain data. Called only where content is recorded.
    """

    rows: int | None
    scores: Sequence[Any] = ()
    distances: Sequence[Any] = ()
    documents: Callable[[], list[Any]] = _no_documents


@dataclass(frozen=True, eq=False)
class Search:
    """A function of a store that searches.

    Attributes:
        module: Full name of the module that has the class.
        function: `Class.method`.
        question: Gives the question, by the object that is asked and the arguments by name; None
            for a use of the function that is no search. It changes nothing.
        matches: Gives what came of it, by what the function gave. It reads nothing that can be
            read only once.
        asynchronous: Whether it is a coroutine function.
        parameters: Names that its signature must have.
        optional: Whether some of the supported versions do not have it.
    """

    module: str
    function: str
    question: Callable[[Any, Mapping[str, Any]], Question | None]
    matches: Callable[[Any], Matches]
    asynchronous: bool = False
    parameters: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True, eq=False)
class Store:
    """A vector store's package.

    Attributes:
        package: Its import name.
        supported: The versions that the tests prove, as a PEP 440 specifier.
        system: `db.system.name`.
        searches: Its functions.
    """

    package: str
    supported: str
    system: str
    searches: tuple[Search, ...]
