"""Any value as plain data that can be compared: types, fields, headers, bytes, causes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import anthropic._response
import grpc
import httpx
import httpx2
import openai._legacy_response
import openai._response
import pydantic

# Of objects, in the words of Python and of anyio.
_ADDRESS = re.compile(r"(0x|cancel scope )[0-9a-f]+")
_PLAIN = (bool, int, float, str, bytes, type(None))

# Python's own limit of recursion is near: a shape takes three frames for each level.
_DEEPEST = 100

# What the server takes from its clock.
_TIMES = frozenset(
    f"anthropic-ratelimit-{limit}-reset" for limit in ("requests", "tokens", "input-tokens")
)
# The length of the request is judged on the wire.
_COUNTS = frozenset({b"x-ratelimit-remaining-tokens", *(name.encode() for name in _TIMES)})

# What the SDKs make of a response for who wants it as it is.
_RAW_RESPONSES = (
    openai._legacy_response.LegacyAPIResponse,
    openai._response.BaseAPIResponse,
    anthropic._response.BaseAPIResponse,
)

Seen = tuple[Any, ...]


def shape(value: Any, above: tuple[int, ...] = ()) -> Any:
    """`value` as nested tuples; equal shapes mean that a program could not tell the two apart."""
    if isinstance(value, _PLAIN):
        return type(value).__name__, _ADDRESS.sub("0x", repr(value))
    if id(value) in above or len(above) > _DEEPEST:
        return ("below", _name(value))
    inside = (*above, id(value))
    for kinds, of in _SHAPES:
        if isinstance(value, kinds):
            return (_name(value), *of(value, lambda each: shape(each, inside)))
    return _name(value), _ADDRESS.sub("0x", repr(value))


def _name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


_Shape = Callable[[Any], Any]


def _mapping(value: Mapping[Any, Any], of: _Shape) -> Seen:
    return tuple((of(key), of(each)) for key, each in value.items() if key not in _TIMES)


def _sequence(value: Any, of: _Shape) -> Seen:
    return tuple(map(of, value))


def _model(value: pydantic.BaseModel, of: _Shape) -> Seen:
    # All that `model_dump` reads, with `exclude_unset` and without.
    return (
        of(vars(value)),
        of(value.__pydantic_extra__),
        sorted(value.model_fields_set),
        of(_request_id(value)),
    )


def _request_id(value: pydantic.BaseModel) -> Any:
    with warnings.catch_warnings():
        # Some of cohere's models look for what is not there in a way that pydantic warns of.
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(value, "_request_id", None)


def _exception(value: BaseException, of: _Shape) -> Seen:
    return (
        _ADDRESS.sub("0x", str(value)),
        of(value.args),
        of(vars(value)),
        of(value.__cause__),
        of(value.__context__),
        value.__suppress_context__,
    )


def _grpc_error(value: Any, of: _Shape) -> Seen:
    # Its text and its state hold deadlines and times.
    return value.code(), value.details(), of(value.__cause__), of(value.__context__)


def _response(value: httpx.Response | httpx2.Response, of: _Shape) -> Seen:
    return (
        value.status_code,
        value.http_version,
        [pair for pair in value.headers.raw if pair[0] not in _COUNTS],
        value.is_closed,
        value.is_stream_consumed,
        value.num_bytes_downloaded,
        of(getattr(value, "_content", "not read")),
        of(value.history),
        of(value.request),
    )


def _request(value: httpx.Request | httpx2.Request, _: _Shape) -> Seen:
    # Its body and the length of that are judged on the wire.
    headers = [pair for pair in value.headers.raw if pair[0].lower() != b"content-length"]
    return value.method, str(value.url), headers


def _sdk_response(value: Any, of: _Shape) -> Seen:
    return value.retries_taken, of(value.http_response)


_SHAPES: tuple[tuple[Any, Callable[[Any, _Shape], Seen]], ...] = (
    (type, lambda value, _: (repr(value),)),
    (pydantic.BaseModel, _model),
    (Mapping, _mapping),
    ((list, tuple, set, frozenset), _sequence),
    (grpc.RpcError, _grpc_error),
    (BaseException, _exception),
    ((httpx.Response, httpx2.Response), _response),
    ((httpx.Request, httpx2.Request), _request),
    (_RAW_RESPONSES, _sdk_response),
)
