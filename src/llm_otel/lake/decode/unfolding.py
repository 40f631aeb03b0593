"""What single spans say in a way of their own: usage and cost inside JSON, counts that their
emitter makes differently. One span at a time, on its few attributes of this kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow.compute as pc

from llm_otel import semconv
from llm_otel.foreign import corrections, json_usage
from llm_otel.foreign.names.json_texts import FIELDS, SUMMED, USAGES
from llm_otel.foreign.names.providers import provider_of
from llm_otel.foreign.usage import USAGE
from llm_otel.lake.decode.attributes import Mask, Places
from llm_otel.lake.decode.draft import Draft

# The attributes that are read or changed.
READ: Final = frozenset(
    {
        *json_usage.TEXTS,
        *(target for fields in FIELDS.values() for _, target in fields),
        *SUMMED.values(),
        *USAGE,
        *corrections.READ,
    }
)

# JSON of which only these keys are read: a text without them says nothing.
_PATHS: Final = {
    name: [*(path for path, _ in FIELDS.get(name, ())), *USAGES.get(name, ())]
    for name in json_usage.TEXTS - SUMMED.keys()
    if all(target != name for _, target in FIELDS.get(name, ()))
}
# Where a key may be written with escapes, it may be any.
_SPEAKING: Final = {
    name: rf"\\u|{'|'.join(sorted({re.escape(str(path[0])) for path in paths}))}"
    for name, paths in _PATHS.items()
    if all(paths)
}


def unfold(draft: Draft) -> None:
    """Say in attributes of today what else some spans say."""
    mask = np.zeros(draft.count, bool)
    for name in draft.source.among(json_usage.TEXTS):
        mask[draft.rows(_speaking(draft, name))] = True
    for name in draft.source.among(corrections.NAMES):
        mask[draft.rows(_to_correct(draft, name))] = True
    rows = np.flatnonzero(mask)
    if not len(rows):
        return
    texts = _names(draft, mask, json_usage.TEXTS)
    emitters = _names(draft, mask, filter(corrections.tells, draft.source.names))
    before = draft.dicts(rows, READ)
    after = [dict(attributes) for attributes in before]
    for row, attributes in zip(rows.tolist(), after):
        answered = json_usage.unpack(attributes, texts.get(row, ()))
        which = corrections.of_names(tuple(emitters.get(row, ())))
        corrections.put_right(attributes, which, answered=answered)
    draft.update(rows, before, after)


def _speaking(draft: Draft, name: str) -> Places:
    """The entries of a name with JSON that may say something."""
    places = draft.places(name)
    if name not in _SPEAKING:
        return places
    texts = draft.values("string", places)
    speaks = pc.match_substring_regex(texts, _SPEAKING[name]).fill_null(True)
    speaking: Places = places[speaks.to_numpy(False)]
    return speaking


def _to_correct(draft: Draft, name: str) -> Places:
    """The entries of a name whose spans its emitter may have written in a way of its own."""
    places = draft.places(name)
    providers = corrections.PROVIDERS.get(name)
    if providers is None:
        return places
    entries = draft.at(semconv.PROVIDER_NAME)[draft.rows(places)]
    encoded = draft.values("string", entries).dictionary_encode()
    chosen = [provider_of(word) in providers for word in encoded.dictionary.to_pylist()]
    numbers = encoded.indices.fill_null(-1).to_numpy(False)
    to_correct: Places = places[np.array([*chosen, False])[numbers]]
    return to_correct


def _names(draft: Draft, rows: Mask, names: Iterable[str]) -> dict[int, list[str]]:
    """Those of some names that each of some spans came with, in its order."""
    every = [draft.places(name) for name in draft.source.among(names)]
    found: dict[int, list[str]] = {}
    if every:
        entries = np.sort(np.concatenate(every))
        entries = entries[rows[draft.rows(entries)]]
        for entry, row in zip(entries.tolist(), draft.rows(entries).tolist()):
            found.setdefault(row, []).append(draft.source.names[draft.source.codes[entry]])
    return found
