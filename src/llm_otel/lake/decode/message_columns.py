"""Messages of many spans, spread over numbered attributes or given as one text, as JSON lists."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel.lake.decode.attributes import Attributes, Places, escaped
from llm_otel.lake.decode.draft import Draft
from llm_otel.lake.decode.messages import part_of, text_of_messages
from llm_otel.lake.decode.names.content import TEXTS

# What stands for the value of an attribute in the text of a message.
_MARK: Final = "\0{}\0"
_WIDTH: Final = np.dtype(np.int32).itemsize
_MARKED: Final = re.compile(r'"\\u0000(\d+)\\u0000"')


def with_messages(
    attributes: Attributes,
    draft: Draft,
    places: Callable[[str], Places],
    entries: Callable[[str], Places],
) -> None:
    """As `older.normalise` does, for many spans; all values are texts.

    Args:
        attributes: As the sender named them.
        draft: Where the lists go, and the attributes that they are made of come out.
        places: By a name that the sender gave, its entries.
        entries: By a name of today, the entry of each span, -1 where it has none.
    """
    with_list: dict[str, Any] = {}

    def claimed(target: str) -> Any:
        if target not in with_list:
            with_list[target] = entries(target) >= 0
        return with_list[target]

    for target, rows, texts in _numbered(attributes, draft, places):
        free = ~claimed(target)[rows]
        draft.add(rows[free], target, "string", texts.filter(pa.array(free)))
        with_list[target][rows] = True
    for name, (role, target) in TEXTS.items():
        there = places(name)
        if not len(there):
            continue
        draft.drop(there)
        texts = draft.values("string", there)
        says = pc.invert(pc.is_in(texts, pa.array(["", "{}"]))).to_numpy(False)
        chosen = says & ~claimed(target)[draft.rows[there]]
        before, after = _template([{"role": role, "content": _MARK.format(0)}])[0]
        content = escaped(texts.filter(pa.array(chosen)))
        made = pc.binary_join_element_wise(f'{before}"', content, f'"{after}', "")
        rows = draft.rows[there[chosen]]
        draft.add(rows, target, "string", made)
        with_list[target][rows] = True


def _numbered(
    attributes: Attributes, draft: Draft, places: Callable[[str], Places]
) -> list[tuple[str, Places, pa.Array]]:
    """The lists of messages whose parts are attributes of their own: the name of the list, the
    spans that have one, and the texts."""
    by_target: dict[str, list[tuple[str, int, str]]] = {}
    for name in attributes.names:
        part = part_of(name)
        if part is not None:
            by_target.setdefault(part[1], []).append((name, *part[2:]))
    found = []
    for target, parts in by_target.items():
        held = [places(name) for name, _, _ in parts]
        there = np.sort(np.concatenate(held))
        if not len(there):
            continue
        draft.drop(there)
        part_of_code = np.zeros(len(attributes.names), np.int32)
        for number, (name, _, _) in enumerate(parts):
            part_of_code[attributes.codes[places(name)[:1]]] = number
        shapes = part_of_code[attributes.codes[there]].tobytes()
        # As bytes: to decode and encode long texts would take half of the time.
        values = escaped(draft.values("string", there)).cast(pa.binary()).to_pylist()
        starts = np.flatnonzero(np.diff(draft.rows[there], prepend=-1))
        ends = [*starts[1:].tolist(), len(there)]
        known: dict[bytes, tuple[bytes, Callable[[list[bytes]], Any]]] = {}
        texts = []
        for start, end in zip(starts.tolist(), ends):
            shape = shapes[_WIDTH * start : _WIDTH * end]
            template = known.get(shape)
            if template is None:
                numbers = np.frombuffer(shape, np.int32).tolist()
                template = known[shape] = _format([parts[number] for number in numbers])
            pattern, chosen = template
            texts.append(pattern % chosen(values[start:end]))
        found.append(
            (target, draft.rows[there[starts]], pa.array(texts, pa.binary()).cast(pa.string()))
        )
    return found


def _format(parts: list[tuple[str, int, str]]) -> tuple[bytes, Callable[[list[bytes]], Any]]:
    """A pattern for the text of messages, and what chooses the values that go into it."""
    messages: dict[int, dict[str, Any]] = {}
    for place, (_, number, field) in enumerate(parts):
        messages.setdefault(number, {})[field] = _MARK.format(place)
    literals, order = _template([messages[number] for number in sorted(messages)])
    pattern = '"%s"'.join(each.replace("%", "%%") for each in literals)
    return pattern.encode(), itemgetter(*order)


def _template(messages: list[dict[str, Any]]) -> tuple[list[str], list[int]]:
    """The text of messages as what is between the values, and the numbers of these."""
    pieces = _MARKED.split(text_of_messages(messages))
    return pieces[::2], [int(number) for number in pieces[1::2]]
