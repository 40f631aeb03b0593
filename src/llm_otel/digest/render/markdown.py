"""A digest as Markdown, for terminals, chats and repositories."""

from __future__ import annotations

from collections.abc import Iterable

from llm_otel import escaping
from llm_otel.digest import links, sentences
from llm_otel.digest.model import Digest
from llm_otel.lake.queries import drivers


def render(digest: Digest) -> str:
    """The digest; sections that have nothing to say are left out."""
    parts = [
        f"# LLM digest: {sentences.period(digest.period)}",
        _safe(sentences.headline(digest)),
        *_section("Unusual", _list(sentences.finding(each) for each in digest.anomalies)),
        _table(
            ("", "now", sentences.before(digest.period), "change"),
            (
                (
                    sentences.name(f),
                    sentences.figure(f),
                    sentences.number(f.before, f.unit),
                    sentences.change(f),
                )
                for f in digest.figures
            ),
        ),
        *_section("What moved", _drivers(digest)),
        *_section("What to do", _list(sentences.action(each) for each in digest.actions)),
        *_section("Budgets", _list(sentences.budget(each) for each in digest.budgets)),
        *_section("Errors", _errors(digest)),
        *((f"[Open the dashboard]({links.period(digest)})",) if digest.dashboard else ()),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, body: str) -> tuple[str, ...]:
    return (f"## {title}", body) if body else ()


def _drivers(digest: Digest) -> str:
    rows = [
        (sentences.WORDS[dimension], change.key, sentences.driver(change))
        for dimension, changes in digest.drivers.items()
        for change in changes
    ]
    causes = [
        f"{drivers.phrase(name, amount > 0)} {sentences.signed_usd(amount)}"
        for name, amount in sorted(digest.causes.items(), key=lambda each: -abs(each[1]))
    ]
    sentence = f"Of the change: {', '.join(causes)}.\n\n" if causes else ""
    return sentence + _table(("by", "which", "moved"), rows) if rows else ""


def _errors(digest: Digest) -> str:
    if not digest.errors:
        return ""
    rows = (
        (e.error_type, sentences.count(e.now), sentences.count(e.before)) for e in digest.errors
    )
    return _table(("class", "calls", "before"), rows)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_safe(line)}" for line in lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *(tuple(map(_safe, row)) for row in rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _safe(text: str) -> str:
    """Names of models and tenants are data: nothing of them is Markdown."""
    return escaping.markdown(text)
