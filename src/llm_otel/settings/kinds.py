"""The kinds of values that settings take: how each is checked, and read from a string."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from llm_otel import semconv
from llm_otel.errors import ConfigError

MIN_KEY_BYTES = 32

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
# not compiled: needed only where such a setting is given
_HOST = r"[a-z0-9.-]+(:\d+)?|\[[0-9a-f:]+\](:\d+)?"
_TAG = r"[A-Za-z0-9_.-]{1,64}"
_BAGGAGE = ("tenant_id", "feature", "user_id", "session_id")
_TRUTH = {"true": True, "1": True, "yes": True, "on": True,
          "false": False, "0": False, "no": False, "off": False}  # fmt: skip


class Refused(ValueError):
    """Raised by a check; its text tells what is allowed better than the kind's own can."""


class Kind(NamedTuple):
    """What a setting may be.

    Attributes:
        allowed: Completes the sentence "… must be"; for error messages and the documentation.
        check: Turns a given value into the stored one; raises ValueError, TypeError or
            AttributeError when it is wrong.
        from_text: Turns an environment variable into a value for `check`.
        secret: The value never appears in a message.
    """

    allowed: str
    check: Callable[[Any], Any]
    from_text: Callable[[str], Any] = str
    secret: bool = False

    def parse(self, value: Any, where: str) -> Any:
        """The stored form of `value`.

        Args:
            value: As given by keyword or YAML.
            where: The place that it was given at, to begin an error message with.

        Raises:
            ConfigError: The value is wrong.
        """
        return self._parsed(self.check, value, where)

    def parse_text(self, text: str, where: str) -> Any:
        """As `parse`, for an environment variable's text."""
        return self._parsed(lambda raw: self.check(self.from_text(raw)), text, where)

    def _parsed(self, check: Callable[[Any], Any], value: Any, where: str) -> Any:
        try:
            return check(value)
        except ConfigError:
            raise
        except (ValueError, TypeError, AttributeError, LookupError) as exc:
            allowed = str(exc) if isinstance(exc, Refused) else self.allowed
        suffix = "" if self.secret else f", not {_SHORT.repr(value)}"
        raise ConfigError(f"{where} must be {allowed}{suffix}.")


class PriceKind(Kind):
    """The `prices:` section, whose form the price module knows; imported only when needed."""

    def parse(self, value: Any, where: str) -> Any:
        from llm_otel import pricing

        return pricing.parse_overrides(value, where)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def integer(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return Kind(f"a whole number from {low} to {high}", check, int)


def choice(*values: str) -> Kind:
    """One of `values`, in any case."""

    def check(value: Any) -> str:
        # YAML reads a bare `off` as false
        text: str = "off" if value is False else value.strip().lower()
        if text not in values:
            raise ValueError
        return text

    return Kind(f"one of {', '.join(values)}", check)


def names(allowed: str, check_name: Callable[[str], bool]) -> Kind:
    """A list of names, or one text with commas between them; `check_name` says which are right."""

    def check(value: Any) -> tuple[str, ...]:
        items: Iterable[str] = value.split(",") if isinstance(value, str) else value
        if isinstance(items, Mapping):
            raise TypeError
        parts = tuple(name.strip() for name in items)
        if not all(check_name(name) for name in parts):
            raise ValueError
        return parts

    return Kind(allowed, check)


def _client_names(value: Any) -> tuple[str, ...]:
    from llm_otel import clients

    clients_by_name = clients.load()
    description = f"a list of known clients ({', '.join(clients_by_name)})"
    try:
        selection = names(description, lambda name: clients.name_of(name) in clients_by_name).check(
            value
        )
    except (ValueError, TypeError, AttributeError):
        raise Refused(description) from None
    return tuple(dict.fromkeys(map(clients.name_of, selection)))


def _providers(value: Any) -> Mapping[str, str]:
    providers = {host.strip().lower(): name.strip() for host, name in value.items()}
    for host, name in providers.items():
        if not re.fullmatch(_HOST, host) or not semconv.well_formed(semconv.PROVIDER, name):
            raise ValueError
    return MappingProxyType(providers)


def _providers_from_text(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    return {host: name for host, _, name in pairs}


def _hook(value: Any) -> Any:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if not callable(getattr(value, "on_completion", None)):
        raise TypeError
    return value


def _function(value: Any) -> Any:
    if not callable(value):
        raise TypeError
    return value


def _path(value: Any) -> str:
    path: str = os.fspath(value)
    return os.path.expanduser(path)


def _secret(value: Any) -> bytes:
    if not isinstance(value, (str, bytes)):
        raise TypeError
    # an editor's newline at the end of a key file is no part of the key
    key = (value.encode() if isinstance(value, str) else value).rstrip(b"\r\n")
    if len(key) < MIN_KEY_BYTES:
        raise ValueError
    return key


def _frameworks(value: Any) -> bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    check: Callable[[Any], tuple[str, ...]] = names("", lambda name: name != "").check
    return check(value)


BOOLEAN = Kind("true or false", _boolean, lambda text: _TRUTH[text.lower()])
CAP = integer(1, semconv.MAX_COMBINATIONS)
TAGS = names(
    "a list of tag keys (letters, digits, '_', '.', '-', at most 64)",
    lambda key: re.fullmatch(_TAG, key) is not None,
)
BAGGAGE = names(f"a list out of {', '.join(_BAGGAGE)}", _BAGGAGE.__contains__)
CLIENTS = Kind("a list of known clients", _client_names)
FRAMEWORKS = Kind("true, false or a list of known frameworks", _frameworks)
PROVIDERS = Kind(
    "a map of host or host:port, without scheme or path, to a provider's name in lower case",
    _providers,
    _providers_from_text,
)
HOOK = Kind("an entry point's name or an object with on_completion()", _hook)
FUNCTION = Kind("a function from str to str", _function)
PATH = Kind("a path", _path)
SECRET = Kind(f"text or bytes of at least {MIN_KEY_BYTES} bytes", _secret, secret=True)
PRICES = PriceKind("a list of price overrides", _function)


def as_map(value: Any, where: str) -> Mapping[Any, Any]:
    """`value` where it is a map, an empty one for None.

    Raises:
        ConfigError: It is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a map, not {type(value).__name__}.")
    return value


def require_known(
    name: Any, allowed: Collection[str], what: str, *, list_all: bool = False
) -> None:
    """Refuse a name that is not allowed.

    Args:
        name: As given.
        allowed: The names that there are.
        what: What the name stands for, to begin the message with.
        list_all: List the names even where one of them is near.

    Raises:
        ConfigError: The name is not among them.
    """
    if name in allowed:
        return
    from difflib import get_close_matches

    near = get_close_matches(str(name), allowed, n=1)
    names = ", ".join(sorted(filter(None, allowed)))
    hints = [f"did you mean {near[0]}?"] if near else []
    if list_all or not near:
        hints.append(f"{'Allowed' if near else 'allowed'} are {names}.")
    raise ConfigError(f"{what} {str(name)[:80]} is unknown; {' '.join(hints)}")
