"""A digest as one HTML page: inline styles and tables, as mail programs know little else."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from llm_otel.digest import links, sentences
from llm_otel.digest.model import Digest
from llm_otel.digest.render.pictures import pictures
from llm_otel.escaping import visible

if TYPE_CHECKING:
    from jinja2 import Template

# What is good when it grows; the rest is good when it falls, or neither.
_GOOD_UP = frozenset({"success", "score"})
_BAD_UP = frozenset({"cost", "error share", "P95 latency", "P50 latency"})


def render(digest: Digest, *, attached: bool = False) -> str:
    """The digest as a page.

    Args:
        digest: What to show.
        attached: Pictures are referred to by `cid:` (for mail that carries them), instead of
            being part of the page.
    """
    images = {
        name: f"cid:{name}" if attached else f"data:image/png;base64,{b64encode(png).decode()}"
        for name, png in pictures(digest).items()
    }
    return _template().render(
        digest=digest,
        sentences=sentences,
        pictures=images,
        tone=_tone,
        links=links,
        anomalies=[
            (sentences.finding(each), links.finding(digest, each)) for each in digest.anomalies
        ],
        actions=[(sentences.action(each), "") for each in digest.actions],
        budgets=[(sentences.budget(each), "") for each in digest.budgets],
    )


def _tone(name: str, change: str) -> str:
    """`good`, `bad` or `plain`: how to colour a change."""
    kind = "score" if name.startswith("score") else name
    if change[:1] not in ("+", "−") or kind not in _GOOD_UP | _BAD_UP:
        return "plain"
    return "good" if (change[0] == "+") == (kind in _GOOD_UP) else "bad"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    text = files("llm_otel.digest.render").joinpath("digest.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True,
        # what macros give is no plain text: it is escaped already
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(text)
