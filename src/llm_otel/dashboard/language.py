"""The filter language of the search line: `model:gpt-5 -tenant:acme cost>0.1 "refund"`.

What is typed becomes parameters of the address, so that a page knows no language, and every way to
filter leads to the same address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from llm_otel.dashboard import moments
from llm_otel.dashboard.state import DAYS, RANGES, State, limit
from llm_otel.lake.queries.filters import ANY, COLUMNS, NUMBERS, SCORE, Match, written

# What is typed before the colon -> the parameter, where these differ.
_ALIASES: Final = {"tenant": "tenant_id", "error": "error_type", "env": "environment"}
_TIMES: Final = ("since", "until")
_RANGE: Final = "range"
_TAG: Final = "tag."
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}", re.IGNORECASE)
_TERM: Final = re.compile(
    r"""(?P<not>-)?(?P<name>[A-Za-z_][\w.]*):(?:"(?P<quoted>[^"]*)"|(?P<value>\S*))"""
    r"""|(?P<limit>[A-Za-z_][\w.:/-]*\s*(?:<=|>=|<|>|=)\s*-?[\d.][\w.-]*)"""
    r"""|"(?P<phrase>[^"]+)"|(?P<word>\S+)"""
)
# A word that begins so is meant to compare.
_COMPARISON: Final = re.compile(rf"({'|'.join(NUMBERS)}|{re.escape(SCORE)}.*)[<>=]")
_MOST_SHOWN: Final = 12


@dataclass(frozen=True)
class Search:
    """What a line asks for.

    Attributes:
        state: The parameters, those of before among them.
        trace: The id of the trace that it names.
        looks: It holds words to look for.
        mistakes: What of it says nothing, a sentence each.
    """

    state: State
    trace: str | None = None
    looks: bool = False
    mistakes: list[str] = field(default_factory=list)


def names() -> list[str]:
    """All that may stand before a colon or a sign of comparison."""
    short = {parameter: alias for alias, parameter in _ALIASES.items()}
    words = [short.get(column, column) for column in COLUMNS]
    return [*(f"{word}:" for word in (*words, _RANGE, *_TIMES)), *(f"{name}>" for name in NUMBERS)]


def search(line: str, before: State, now: datetime) -> Search:
    """Add what a line says to the parameters of an address.

    Args:
        line: What was typed.
        before: The parameters of the page where it was typed.
        now: UTC, without a zone.
    """
    state, mistakes, looks = before, [], False
    if _TRACE_ID.fullmatch(line.strip()):
        return Search(before, line.strip().lower())
    for term in _TERM.finditer(line):
        phrase = term["phrase"] or term["word"]
        if term["word"] and _COMPARISON.match(phrase):
            mistakes.append(_wrong(phrase))
        elif phrase is not None:
            state, looks = _with(state, "text", phrase), True
        elif term["limit"] is not None:
            comparison = re.sub(r"\s", "", term["limit"])
            if limit(comparison) is None:
                mistakes.append(_wrong(comparison))
            else:
                state = _with(state, "where", comparison)
        else:
            name, value = term["name"], term["quoted"] or term["value"] or ""
            further = _named(state, name, value, now, unwanted=bool(term["not"]))
            if further is None:
                mistakes.append(_wrong(term[0]))
            else:
                state = further
    return Search(state, None, looks, mistakes)


def _named(state: State, name: str, value: str, now: datetime, *, unwanted: bool) -> State | None:
    """The parameters with `name:value`; None where there is no such name, or no such value."""
    parameter = _ALIASES.get(name, name)
    if not value:
        return None
    if parameter in COLUMNS:
        if unwanted or ANY in value:
            return _with(state, "match", written(Match(parameter, value, unwanted)))
        return _with(state, parameter, value)
    if unwanted:
        return None
    if name.startswith(_TAG) and name != _TAG:
        return _with(state, "tag", f"{name.removeprefix(_TAG)}={value}")
    if name == "tag" and "=" in value:
        return _with(state, "tag", value)
    if name == _RANGE and value in (*RANGES, *DAYS):
        return state.to(range=value, since=None, until=None)
    if name in _TIMES and moments.first(value, now) is not None:
        return state.to(**{name: value})
    return None


def _with(state: State, name: str, value: str) -> State:
    values = state.all(name)
    return state if value in values else state.to(**{name: (*values, value)})


def _wrong(term: str) -> str:
    return (
        f"{term!r} was ignored: write a name and a value, as model:gpt-5 or tag.team:search, or a "
        f"comparison, as cost>0.1 or score.helpfulness<0.5; names are {', '.join(names())}."
    )


def completions(line: str, values: Mapping[str, Sequence[str]], scores: Sequence[str]) -> list[str]:
    """The line as it may go on.

    Args:
        line: What is typed so far.
        values: The values seen, by parameter.
        scores: The names of evaluations.
    """
    before, _, last = line.rpartition(" ")
    start = f"{before} " if before else ""
    return [f"{start}{end}" for end in _ends(last, values, scores)][:_MOST_SHOWN]


def _ends(last: str, values: Mapping[str, Sequence[str]], scores: Sequence[str]) -> Iterator[str]:
    sign, word = ("-", last[1:]) if last.startswith("-") else ("", last)
    name, colon, begin = word.partition(":")
    if colon:
        for value in values.get(_ALIASES.get(name, name), ()):
            if begin.strip('"').lower() in value.lower():
                yield f'{sign}{name}:"{value}"' if " " in value else f"{sign}{name}:{value}"
        return
    for each in (*names(), *(f"{SCORE}{score}<" for score in scores)):
        if each.startswith(word.lower()):
            yield sign + each
