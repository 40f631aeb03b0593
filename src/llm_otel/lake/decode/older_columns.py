"""Spans of older names among many, a column at a time: what `older.normalise` does, several times
as fast.

Spans with something rare (a value of another type than its emitters write, counts inside JSON, a
failure that no status tells) are left to `translation`, which goes one span at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.lake.decode import older
from llm_otel.lake.decode.attributes import Attributes, Places
from llm_otel.lake.decode.draft import Draft
from llm_otel.lake.decode.message_columns import with_messages
from llm_otel.lake.decode.names.ai_sdk import MILLISECONDS
from llm_otel.lake.decode.names.content import CONTENT
from llm_otel.lake.decode.names.operations import NAMED, STEPS, UNNAMED
from llm_otel.lake.decode.names.providers import provider_of
from llm_otel.lake.decode.quantities import MOST_USD, flag
from llm_otel.lake.decode.rare_spans import rare
from llm_otel.lake.decode.translation import normalised, wire
from llm_otel.lake.decode.usage import USAGE

Mask = npt.NDArray[np.bool_]

_OPERATION: Final = semconv.OPERATION_NAME
_STREAM: Final = semconv.REQUEST_STREAM
_REASONS: Final = semconv.RESPONSE_FINISH_REASONS
_WORKFLOW: Final = "gen_ai.workflow.name"

# The attributes of today that a step of the translation reads or writes.
_WANTED: Final = frozenset(
    {
        *(_OPERATION, _STREAM, _REASONS, _WORKFLOW, *STEPS, *older.MODELS, *USAGE, *CONTENT),
        *(semconv.PROVIDER_NAME, semconv.COST_AMOUNT, semconv.AGENT_NAME),
        semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
    }
)
# More combinations than this are numbered anew before another column comes to them.
_MOST_COMBINATIONS: Final = 2**40


def translated(attributes: Attributes, names: pa.Array, rows: Places) -> Attributes:
    """The attributes of spans, those at `rows` under the names of today.

    Args:
        attributes: Of all spans.
        names: The name of each span.
        rows: The spans to translate, in order.
    """
    draft = Draft(attributes)
    chosen = np.zeros(draft.count, bool)
    chosen[rows] = True
    left = chosen & rare(attributes, draft, names)
    chosen &= ~left
    if chosen.any():
        _Columns(attributes, draft, chosen).translate(names)
    if left.any():
        others = np.flatnonzero(left)
        lists = normalised(attributes.lists_of, names, others)
        draft.drop_rows(left)
        draft.add_lists(others, lists)
    return draft.attributes()


class _Columns:
    """The attributes of the spans that are translated here, by their names of today."""

    def __init__(self, attributes: Attributes, draft: Draft, chosen: Mask) -> None:
        self._attributes = attributes
        self._draft = draft
        self._chosen = chosen
        self._all = bool(chosen.all())
        self._older = np.zeros(draft.count, bool)
        self._at: dict[str, Places] = {}
        self._nowhere = np.full(draft.count, -1, np.int64)

    def translate(self, names: pa.Array) -> None:
        """As `older.normalise`, of all."""
        for name in self._attributes.names:
            if older.is_older(name):
                self._older[self._draft.rows[self._places(name)]] = True
        self._rename()
        self._seconds()
        self._operations(names)
        self._providers()
        self._words()
        self._costs()
        self._reasons()
        with_messages(self._attributes, self._draft, self._places, self._entries)

    def _places(self, name: str) -> Places:
        """The entries of a name that the sender gave."""
        places = self._attributes.places(name)
        return places if self._all else places[self._chosen[self._draft.rows[places]]]

    def _entries(self, name: str) -> Places:
        """The entry of each span that has a name of today, -1 where there is none."""
        return self._at.get(name, self._nowhere)

    def _set(self, rows: Places, name: str, field: str, values: pa.Array) -> None:
        """Give some spans a value in the place of the one that they have."""
        entries = self._entries(name)[rows]
        self._draft.drop(entries[entries >= 0])
        self._draft.add(rows, name, field, values)

    def _rename(self) -> None:
        """All attributes under the names of today; the best of several for one stays."""
        by_target: dict[str, list[str]] = {}
        for name in self._attributes.names:
            by_target.setdefault(older.target_of(name), []).append(name)
        # One for all that no step looks at: there may be thousands, and this is as long as the
        # spans are many.
        best = self._nowhere.copy()
        for target, names in by_target.items():
            if names == [target] and target not in _WANTED:
                continue
            places = [self._places(name) for name in sorted(names, key=older.rank_of)]
            for name, each in zip(sorted(names, key=older.rank_of), places):
                if name != target:
                    self._draft.rename(each, target)
            if len(names) == 1 and target not in _WANTED:
                continue
            entries = best
            if target in _WANTED:
                entries = self._at[target] = self._nowhere.copy()
            for each in reversed(places):
                entries[self._draft.rows[each]] = each
            every = np.concatenate(places)
            self._draft.drop(every[entries[self._draft.rows[every]] != every])

    def _seconds(self) -> None:
        entries = self._entries(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
        for name in MILLISECONDS:
            places = self._places(name)
            rows = self._draft.rows[places]
            best = entries[rows] == places
            values = self._numbers(places[best]) / 1000
            self._set(rows[best], semconv.RESPONSE_TIME_TO_FIRST_CHUNK, "double", pa.array(values))

    def _numbers(self, places: Places) -> npt.NDArray[np.float64]:
        """The values of entries, integers or doubles, as doubles."""
        kinds = [
            self._draft.values(field, places).cast(pa.float64(), safe=False)
            for field in ("int", "double")
        ]
        numbers: npt.NDArray[np.float64] = pc.coalesce(*kinds).to_numpy(False)
        return numbers

    def _encoded(self, entries: Places) -> tuple[Places, list[str]]:
        """The texts of entries as numbers of the different ones (-1: none), and these."""
        encoded = self._draft.values("string", entries).dictionary_encode()
        numbers = encoded.indices.fill_null(-1).to_numpy(False).astype(np.int64)
        return numbers, encoded.dictionary.to_pylist()

    def _operations(self, names: pa.Array) -> None:
        """As `older.with_operation`, once for each combination of what it looks at."""
        rows = np.flatnonzero(self._chosen)
        steps = [name for name in STEPS if name in self._at]
        texts = {name: self._encoded(self._entries(name)[rows]) for name in (_OPERATION, *steps)}
        models = {name: self._encoded(self._entries(name)[rows]) for name in older.MODELS}
        tokens = {name: self._entries(name)[rows] for name in older.TOKENS}
        flags = {name: self._entries(name)[rows] >= 0 for name in (_WORKFLOW, semconv.AGENT_NAME)}
        spans = names.take(pa.array(rows)).dictionary_encode()
        meant = [_meaning(name) for name in spans.dictionary.to_pylist()]
        columns = [numbers for numbers, _ in texts.values()]
        columns += [_classes(numbers, words, _kind_of_model) for numbers, words in models.values()]
        columns += [_classes(spans.indices.to_numpy(), meant, str)]
        columns += [
            (entries >= 0).astype(np.int64) + self._positive(entries) for entries in tokens.values()
        ]
        columns += [each.astype(np.int64) for each in flags.values()]
        first, combination = _combinations(columns)
        results: list[str | None] = []
        streams = np.zeros(len(first), bool)
        for number, at in enumerate(first.tolist()):
            example: dict[str, Any] = {}
            for name, (numbers, words) in (texts | models).items():
                if numbers[at] >= 0:
                    example[name] = words[numbers[at]]
            for name, entries in tokens.items():
                if entries[at] >= 0:
                    example[name] = int(self._positive(entries[at : at + 1])[0])
            example |= {name: True for name, each in flags.items() if each[at]}
            before = example.get(_OPERATION)
            present = tuple(name for name in steps if name in example)
            older.with_operation(example, meant[spans.indices[at].as_py()], present)
            after = example.get(_OPERATION)
            results.append(after if after != before else None)
            streams[number] = _STREAM in example
        changed = np.array([each is not None for each in results], bool)[combination]
        operations = pa.array(results, pa.string()).take(pa.array(combination[changed]))
        self._set(rows[changed], _OPERATION, "string", operations)
        streamed = rows[streams[combination] & (self._entries(_STREAM)[rows] < 0)]
        self._draft.add(streamed, _STREAM, "bool", pa.array(np.ones(len(streamed), bool)))

    def _positive(self, entries: Places) -> npt.NDArray[np.int64]:
        """1 for each count that is not 0."""
        counts = self._draft.values("int", entries).fill_null(0).to_numpy(False)
        positive: npt.NDArray[np.int64] = (counts != 0).astype(np.int64)
        return positive

    def _by_word(
        self, name: str, rows: Mask, reading: Callable[[str], Any]
    ) -> tuple[Places, Places, list[Any]]:
        """Of the spans at `rows` whose attribute is a text: their entries, the number of each
        one's text among the different ones, and the readings of these."""
        entries = self._entries(name)
        entries = entries[(entries >= 0) & rows]
        entries = entries[self._draft.kinds[entries] == self._draft.kind("string")]
        numbers, words = self._encoded(entries)
        return entries, numbers, [reading(word) for word in words]

    def _providers(self) -> None:
        """The provider by today's name; a framework, which is none, stays under the older one."""
        name = semconv.PROVIDER_NAME
        entries, numbers, words = self._by_word(name, self._chosen, lambda w: (w, provider_of(w)))
        frameworks = _where(numbers, [provider is None for _, provider in words])
        self._draft.rename(entries[frameworks], "gen_ai.system")
        others = _where(numbers, [provider not in (None, word) for word, provider in words])
        providers = pa.array([provider for _, provider in words], pa.string())
        self._set(
            self._draft.rows[entries[others]],
            name,
            "string",
            providers.take(pa.array(numbers[others])),
        )

    def _words(self) -> None:
        """Micrometer's word for no model, and whether a stream, as a text."""
        for name in older.MODELS:
            entries, numbers, absent = self._by_word(
                name, self._older, lambda word: word == semconv.NONE
            )
            self._draft.drop(entries[_where(numbers, absent)])
        entries, numbers, flags = self._by_word(_STREAM, self._older, flag)
        values = pa.array(np.array(flags, bool)[numbers])
        self._set(self._draft.rows[entries], _STREAM, "bool", values)

    def _costs(self) -> None:
        """As `older._cost`: a cost that can be one, under its name of today."""
        entries = self._entries(semconv.COST_AMOUNT)
        today = self._attributes.places(semconv.COST_AMOUNT)
        entries = np.setdiff1d(entries[entries >= 0], today)
        if not len(entries):
            return
        rows = self._draft.rows[entries]
        amounts = self._numbers(entries)
        used = sum(self._positive(self._entries(name)[rows]) for name in older.TOKENS) > 0
        known = (amounts >= 0) & (amounts <= MOST_USD) & ~((amounts == 0) & used)
        self._set(rows[known], semconv.COST_AMOUNT, "double", pa.array(amounts[known]))
        for entry in np.unique(self._attributes.codes[entries[~known]]).tolist():
            there = entries[~known & (self._attributes.codes[entries] == entry)]
            self._draft.rename(there, self._attributes.names[entry])

    def _reasons(self) -> None:
        """Why the answer ended, as a list."""
        entries, numbers, lists = self._by_word(_REASONS, self._older, older.reasons_of)
        wires = pa.array([wire(each)[1] for each in lists], pa.binary())
        self._set(self._draft.rows[entries], _REASONS, "array", wires.take(pa.array(numbers)))


def _where(numbers: Places, chosen: Sequence[bool]) -> Mask:
    """Which of `numbers` are of a word that is chosen."""
    mask: Mask = np.array(chosen, bool)[numbers]
    return mask


def _classes(numbers: Places, words: Sequence[str], kind: Callable[[str], str]) -> Places:
    """The numbers of words as numbers of their kinds, 0 for no word."""
    kinds: dict[str, int] = {}
    table = [kinds.setdefault(kind(word), len(kinds) + 1) for word in words]
    return np.array([*table, 0], np.int64)[numbers]


def _kind_of_model(model: str) -> str:
    """What of a model's name decides the operation."""
    return "embed" if "embed" in model.lower() else "other" if model else ""


def _meaning(name: str) -> str:
    """What of a span's name decides the operation."""
    if name.startswith(NAMED):
        return name.partition(" ")[0] + " "
    return name if name in UNNAMED else ""


def _combinations(columns: Sequence[Places]) -> tuple[Places, Places]:
    """Where each combination of numbers (-1 and more) is first, and which one each place has."""
    key, size = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        width = int(column.max(initial=0)) + 2
        if size * width > _MOST_COMBINATIONS:
            different, key = np.unique(key, return_inverse=True)
            size = len(different)
        key, size = key * width + column + 1, size * width
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first, inverse
