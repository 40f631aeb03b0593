"""Read provider bodies, whether plain JSON or an SDK's pydantic objects, without trusting them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from llm_otel import semconv

_LONGEST = semconv.MAX_TEXT
_NOTHING: Mapping[str, object] = {}

# More tokens than anybody is billed for. Sums must stay within the 64 bits of OTLP: one number
# beyond them and no metric of the process is exported any more.
MOST_TOKENS = 10**12
_MOST_SECONDS = 366 * 86_400.0
_LONGEST_NUMBER = 64


def get(node: object, key: str) -> object | None:
    """`node[key]` of a dict or the field `key` of a pydantic object; None where there is none.

    Reads `__dict__` instead of `getattr`: no property, no `__getattr__` of foreign code runs.
    """
    if type(node) is dict:
        return node.get(key)
    try:
        fields = node.__dict__
    except Exception:  # noqa: BLE001 - an object of the program's own class runs its own code
        return None
    value: object | None = fields.get(key)
    if value is None and key not in fields:
        extra = getattr(node, "__pydantic_extra__", None)
        if type(extra) is dict:
            return extra.get(key)
    return value


def fields(node: object) -> Mapping[str, object]:
    """All that `get` can give of a node; empty for what has no fields."""
    if type(node) is dict:
        return node
    try:
        own: dict[str, object] = node.__dict__
    except Exception:  # noqa: BLE001 - the same
        return _NOTHING
    extra = getattr(node, "__pydantic_extra__", None)
    return {**extra, **own} if extra and type(extra) is dict else own


def is_node(value: object) -> bool:
    """Whether a value has fields of its own, as JSON objects and pydantic objects have."""
    return type(value) is dict or hasattr(value, "__dict__")


def path(node: object, keys: tuple[str, ...]) -> object | None:
    """Follow `keys` through nested nodes; None where the way ends."""
    current: object | None = node
    for key in keys:
        if current is None:
            return None
        current = get(current, key)
    return current


def string(value: object) -> str | None:
    """A name: `value` when it is a string that is not empty, cut to what an attribute may have."""
    if value is None:
        return None
    if type(value) is str and value.isascii() and len(value) <= _LONGEST:
        return value or None
    text = _whole(value)
    return text if text is None or len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _whole(value: object) -> str | None:
    """A string of any length; what UTF-8 cannot carry becomes `?`."""
    if not isinstance(value, str) or not value:
        return None
    # the `str()` of a string enum would be the name of the member
    plain = value if type(value) is str else str.__str__(value)
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()


def text(node: object, key: str) -> str | None:
    """The field when it is a string that is not empty, of any length: content has its own limit."""
    return _whole(get(node, key))


def integer(value: object) -> int | None:
    """`value` when it is an int that OTLP can carry."""
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def json_of(data: object) -> object | None:
    """What bytes hold as JSON; None when they are none, or hold none that Python can read."""
    if not isinstance(data, bytes) or not data:
        return None
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document


def successful_body(response: object) -> object | None:
    """The JSON of a response that the SDK has read; None for an error's, or for no JSON."""
    if getattr(response, "is_error", True):
        return None
    return json_of(get(response, "_content"))


def items(node: object, key: str) -> list[object]:
    """The field when it is a list, else an empty one."""
    value = get(node, key)
    return value if type(value) is list else []


def count(value: object) -> int:
    """A token count: a whole number ≥ 0; anything else a provider may send is 0."""
    if (type(value) is int or type(value) is float) and 0 < value <= MOST_TOKENS:
        return int(value)
    return 0


def amount(value: object) -> float | None:
    """A finite number, or the decimal digits of one, as float; None for anything else."""
    if type(value) is str and len(value) <= _LONGEST_NUMBER:
        try:
            value = float(value)
        except ValueError:
            return None
    return number(value)


def seconds(value: object) -> float:
    """A duration in seconds; anything else than a number of at most a year is 0."""
    number = amount(value)
    return number if number is not None and 0 < number <= _MOST_SECONDS else 0.0


def number(value: object) -> float | None:
    """A finite number as float, else None; booleans are no numbers."""
    if type(value) is float or type(value) is int:
        try:
            result = float(value)
        except OverflowError:
            return None
        return result if math.isfinite(result) else None
    return None
