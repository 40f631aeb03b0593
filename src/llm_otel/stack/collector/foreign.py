"""Other people's names and words as statements of OTTL: renamed before the redaction looks.

The redaction lets nothing through but today's names in their forms. What another instrumentation
tells of a call (model, provider, tokens, operation, cost) gets these names first, by the tables
that the lake reads it with; the values have to have their forms all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from llm_otel import semconv
from llm_otel.foreign.errors import BY_STATUS, BY_WORD
from llm_otel.foreign.names import OLDER, OPERATIONS, PROVIDERS
from llm_otel.stack.collector.allowed import SPAN, Form

_WORDS: Final = ((semconv.OPERATION_NAME, OPERATIONS), (semconv.PROVIDER_NAME, PROVIDERS))
_INTEGER: Final = "^[0-9]{1,15}$"
_DECIMAL: Final = "^-?[0-9]{1,15}(?:[.][0-9]{1,15})?(?:[eE]-?[0-9]{1,2})?$"

_LABEL: Final = f'datapoint.attributes["{semconv.ERROR_TYPE_LABEL}"]'
_NAME: Final = 'datapoint.cache["error_name"]'
_CHANGED: Final = 'metric.metadata["llm_otel.classed"]'


def renamed() -> list[str]:
    """Statements that give a span's older attributes today's names; a name of today wins."""
    return [*_copies(), *_values(), *_words()]


def _copies() -> Iterator[str]:
    for older, today in OLDER.items():
        # an older name that is allowed itself arrives as it is
        if today in SPAN and older not in SPAN:
            source, target = _at(older), _at(today)
            yield f"set({target}, {source}) where {target} == nil and {source} != nil"


def _values() -> Iterator[str]:
    """Numbers that came as text, and a single reason instead of a list of them."""
    for today in _targets():
        at, form = _at(today), SPAN[today]
        if form.kind == "count":
            yield f'set({at}, Int({at})) where {at} >= "" and IsMatch({at}, "{_INTEGER}")'
        elif form.kind == "number":
            yield f'set({at}, Double({at})) where {at} >= "" and IsMatch({at}, "{_DECIMAL}")'
        elif form.kind == "texts":
            yield f'set({at}, [ConvertCase({at}, "lower")]) where {at} >= ""'


def _targets() -> Iterable[str]:
    """Today's names, each once, that an older one stands for."""
    return dict.fromkeys(today for today in OLDER.values() if today in SPAN)


def _words() -> Iterator[str]:
    """What others call an operation or a provider."""
    for today, words in _WORDS:
        at = _at(today)
        yield f'set({at}, ConvertCase({at}, "lower")) where {at} >= ""'
        for word, group in groupby(sorted(words, key=words.__getitem__), words.__getitem__):
            # the tables have one `_` for a space and a dash
            others = "|".join(
                each.replace(".", "[.]").replace("_", "[ _-]") for each in sorted(group)
            )
            yield f'set({at}, "{word}") where IsMatch({at}, "^(?:{others})$")'


def unclassed(error_class: Form) -> str:
    """The condition that a data point has an `error_type` which is no class."""
    return f'{_LABEL} >= "" and not IsMatch({_LABEL}, "^(?:{error_class.pattern})$")'


def classed() -> list[str]:
    """Statements that make the class of an error of an SDK's exception, a code or a status.

    The same as the lake's `error_class`: of all words that fit, the first in the table counts, so
    the last statement here.
    """
    statements = [
        f'set({_NAME}, ConvertCase({_LABEL}, "lower"))',
        f'replace_pattern({_NAME}, "^.*[.]", "")',
        f'replace_pattern({_NAME}, "_", "")',
        f'set({_LABEL}, "{semconv.OTHER}")',
        f"set({_CHANGED}, true)",
    ]
    for error_class, entries in groupby(reversed(BY_WORD), lambda entry: entry[1]):
        words = "|".join(word for word, _ in entries)
        statements.append(f'set({_LABEL}, "{error_class}") where IsMatch({_NAME}, "{words}")')
    statements += [
        f'set({_LABEL}, "{error_class}") where IsMatch({_NAME}, "^(?:{pattern})$")'
        for error_class, pattern in _statuses().items()
    ]
    return statements


def summed() -> list[str]:
    """Statements that add up the points of a metric which differed in the names of errors alone.

    Of two points with the same labels Prometheus would keep one.
    """
    return [
        f'aggregate_on_attributes("sum") where {_CHANGED} == true',
        "set(metric.metadata, {})",
    ]


def _statuses() -> Mapping[str, str]:
    """Classes and patterns of their statuses, those of whole hundreds first."""
    single: dict[str, list[str]] = {}
    for status, error_class in BY_STATUS.items():
        single.setdefault(error_class, []).append(str(status))
    patterns = {semconv.INVALID_REQUEST: ["4[0-9]{2}"], semconv.SERVER: ["5[0-9]{2}"]}
    for error_class, statuses in single.items():
        patterns.setdefault(error_class, []).extend(statuses)
    return {error_class: "|".join(each) for error_class, each in patterns.items()}


def _at(key: str) -> str:
    return f'span.attributes["{key}"]'
