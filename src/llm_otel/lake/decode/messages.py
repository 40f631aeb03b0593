"""Messages that are spread over numbered attributes or given as one text, as JSON lists in the
shape of the conventions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel.foreign.names.content import INDEXED, TEXTS
from llm_otel.lake.decode.attributes import Mask, Places, escaped
from llm_otel.lake.decode.draft import Draft
from llm_otel.lake.decode.values import text as text_of

# A numbered attribute: its name, the list, the number of the message, the field of the message.
Part = tuple[str, str, int, str]
# From a template to a text: a pattern, and what chooses the values that go into it.
_Format = tuple[bytes, Callable[[list[bytes]], Any]]

_LONGEST_NUMBER: Final = 10
# JSON, or the place of a value among those of a span.
_Value = str | int
_NONE: Final = "null"
_WIDTH: Final = np.dtype(np.int32).itemsize


def part_of(name: str) -> Part | None:
    """The part of a message that a numbered attribute is, and which."""
    for prefix, inner, target in INDEXED:
        if name.startswith(prefix):
            number, _, field = name[len(prefix) :].partition(".")
            if number.isdecimal() and len(number) < _LONGEST_NUMBER:
                return name, target, int(number), field.removeprefix(inner)
    return None


def put_messages(draft: Draft) -> None:
    """Put the lists into the draft; the attributes that they are made of come out of it.

    A list that a span has stays as it is; a numbered one wins over a whole text.
    """
    for target, parts in _parts(draft).items():
        rows, lists = _numbered(draft, parts)
        free = draft.at(target)[rows] < 0
        draft.put(rows[free], target, "string", lists.filter(pa.array(free)))
    for name, (role, target) in TEXTS.items():
        entries = draft.places(name)
        if not len(entries):
            continue
        draft.drop(entries)
        entries = entries[draft.at(target)[draft.rows(entries)] < 0]
        contents, empty = _contents(draft, entries)
        (before, after), _ = _joined(["[", *_message({"role": text_of(role), "content": 0}), "]"])
        lists = pc.binary_join_element_wise(before, contents.filter(pa.array(~empty)), after, "")
        draft.put(draft.rows(entries[~empty]), target, "string", lists)


def _contents(draft: Draft, entries: Places) -> tuple[pa.StringArray, Mask]:
    """Texts, and whatever else somebody sent for one, as JSON; and which of them say nothing."""
    texts = draft.values("string", entries)
    empty: Mask = pc.is_in(texts, pa.array(["", "{}", None])).to_numpy(False)
    contents = pc.binary_join_element_wise('"', escaped(texts), '"', "")
    others = np.flatnonzero(texts.is_null().to_numpy(False))
    if len(others):
        values = draft.objects(entries[others])
        empty[others] = [value is None for value in values]
        mask = texts.is_null()
        contents = pc.replace_with_mask(contents, mask, pa.array(map(text_of, values), pa.string()))
    return contents, empty


def _parts(draft: Draft) -> dict[str, list[Part]]:
    """The numbered attributes, by the list that each is a part of."""
    found: dict[str, list[Part]] = {}
    for name in draft.source.names:
        part = part_of(name)
        if part is not None:
            found.setdefault(part[1], []).append(part)
    return found


def _numbered(draft: Draft, parts: list[Part]) -> tuple[Places, pa.StringArray]:
    """The spans that have parts of a list, and the lists. The parts come out of the draft."""
    places = [draft.places(name) for name, *_ in parts]
    entries = np.sort(np.concatenate(places))
    draft.drop(entries)
    part_of_code = np.zeros(len(draft.source.names), np.int32)
    for number, each in enumerate(places):
        part_of_code[draft.source.codes[each[:1]]] = number
    contents, _ = _contents(draft, entries)
    none = pc.equal(contents, _NONE).to_numpy(False)
    shapes = (part_of_code[draft.source.codes[entries]] * 2 + none).astype(np.int32).tobytes()
    # As bytes: to decode and encode long texts would take half of the time.
    values = contents.cast(pa.binary()).to_pylist()
    rows = draft.rows(entries)
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    ends = [*starts[1:].tolist(), len(entries)]
    formats: dict[bytes, _Format] = {}
    lists = []
    for start, end in zip(starts.tolist(), ends):
        shape = shapes[_WIDTH * start : _WIDTH * end]
        known = formats.get(shape)
        if known is None:
            numbers, nones = np.divmod(np.frombuffer(shape, np.int32), 2)
            known = formats[shape] = _format([parts[n] for n in numbers.tolist()], nones.tolist())
        pattern, chosen = known
        lists.append(pattern % chosen(values[start:end]))
    return rows[starts], pa.array(lists, pa.binary()).cast(pa.string())


def _format(parts: list[Part], none: list[bool]) -> _Format:
    """How the text of messages is made of the values of their parts, some of which are none."""
    messages: dict[int, dict[str, _Value]] = {}
    for place, (_, _, number, field) in enumerate(parts):
        messages.setdefault(number, {})[field] = _NONE if none[place] else place
    listed = [_message(messages[number]) for number in sorted(messages)]
    literals, order = _joined(["[", *itertools.chain(*_with_commas(listed)), "]"])
    pattern = "%s".join(literal.replace("%", "%%") for literal in literals).encode()
    return pattern, itemgetter(*order) if order else lambda _: ()


def _message(fields: dict[str, _Value]) -> list[_Value]:
    """One message in the shape of the conventions; other fields stay as they are."""
    role = fields.pop("role", text_of("assistant"))
    content = fields.pop("content", _NONE)
    made: list[_Value] = ['{"role":', role, ',"parts":[']
    if content != _NONE:
        made += ['{"type":"text","content":', content, "}"]
    made.append("]")
    for field, value in fields.items():
        made += [f",{text_of(field)}:", value]
    return [*made, "}"]


def _with_commas(messages: list[list[_Value]]) -> list[list[_Value]]:
    return [[",", *message] if number else message for number, message in enumerate(messages)]


def _joined(pieces: list[_Value]) -> tuple[list[str], list[int]]:
    """What is between the places of the values, and these places."""
    literals, order = [""], []
    for piece in pieces:
        if isinstance(piece, int):
            order.append(piece)
            literals.append("")
        else:
            literals[-1] += piece
    return literals, order
