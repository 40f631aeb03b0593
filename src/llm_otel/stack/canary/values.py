"""The canaries themselves: values that are found again in whatever form they went through."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

_DIGITS: Final = 5
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX: Final = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
_DEPTH: Final = 2


def _long(mark: str) -> str:
    return f"{'many words ' * 200}{mark} {'and more words ' * 150}"


def _base64(mark: str) -> str:
    return base64.b64encode(f"{'a secret ' * 20}{mark} {'in base64 ' * 9}".encode()).decode()


def _escaped(mark: str) -> str:
    return json.dumps(json.dumps({"role": "user", "content": f'say "{mark}"'}))


_TEXTS: Final[Mapping[str, Callable[[str], str]]] = {
    "a sentence": "my secret {} is in a sentence".format,
    "several lines": "a first line\n{} on the second\r\nand a third".format,
    "over 4 KiB": _long,
    "unicode": "Секрет — 秘密 {} ☃ \u202e".format,
    "base64": _base64,
    "escaped JSON": _escaped,
}


def _nested(text: str) -> AnyValue:
    inner = KeyValueList(values=[KeyValue(key="content", value=AnyValue(string_value=text))])
    return AnyValue(kvlist_value=inner)


_TYPES: Final[Mapping[str, Callable[[str], AnyValue]]] = {
    "text": lambda text: AnyValue(string_value=text),
    "map": _nested,
    "list": lambda text: AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text)])),
    "list of maps": lambda text: AnyValue(array_value=ArrayValue(values=[_nested(text)])),
    "bytes": lambda text: AnyValue(bytes_value=text.encode()),
}


@dataclass(frozen=True)
class Marks:
    """The marks of one run: a text and a number for each canary.

    Attributes:
        run: Six digits.
    """

    run: str

    def text(self, index: int) -> str:
        """A text that nothing needs to escape."""
        return f"canary{self.run}x{index:0{_DIGITS}}"

    def number(self, index: int) -> int:
        """A number of twelve digits."""
        return int(f"7{self.run}{index:0{_DIGITS}}")

    @property
    def witness(self) -> str:
        """A word that well may arrive: it tells that telemetry does."""
        return f"witness{self.run}"

    def found(self, data: bytes) -> set[int]:
        """Indices of the canaries in `data`, as they are or in base64, hex or percent signs."""
        digits = f"([0-9]{{{_DIGITS}}})"
        pattern = f"canary{self.run}x{digits}|(?<![0-9])7{self.run}{digits}(?![0-9])"
        search = re.compile(pattern.encode(), re.IGNORECASE)
        return {
            int(each[1] or each[2]) for form in _decoded(data) for each in search.finditer(form)
        }

    def numbers_in(self, data: bytes, indices: Iterable[int]) -> set[int]:
        """Those of the indices whose number is in `data` as OTLP's binary form has it."""
        return {index for index in indices if _varint(self.number(index)) in data}


def values(takes: str, marks: Marks, indices: Iterator[int]) -> Iterator[tuple[int, str, AnyValue]]:
    """Index, description and value of every canary for a place that takes such values."""
    types = {"text": _TYPES["text"]} if takes == "text" else _TYPES
    for type_name, wrap in types.items():
        for form, text in _TEXTS.items():
            index = next(indices)
            yield index, f"{type_name}, {form}", wrap(text(marks.text(index)))
    if takes == "any":
        index = next(indices)
        yield index, "number", AnyValue(int_value=marks.number(index))


def _decoded(data: bytes, depth: int = _DEPTH) -> Iterator[bytes]:
    yield data
    if not depth:
        return
    if b"%" in data:
        yield unquote_to_bytes(data)
    for run in _HEX.findall(data):
        yield binascii.unhexlify(run)
    for run in _BASE64.findall(data):
        for start in range(4):
            text = run[start:].rstrip(b"=").translate(_URL_SAFE)
            if len(text) % 4 == 1:
                text = text[:-1]
            yield from _decoded(base64.b64decode(text + b"=" * (-len(text) % 4)), depth - 1)


_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))
