"""The digest of a day or a week: what it cost, what moved and why, and what to do."""

from __future__ import annotations

from llm_otel.digest.compute import compute, period
from llm_otel.digest.model import Digest, Period
from llm_otel.digest.render import html, json, markdown

__all__ = ["Digest", "Period", "compute", "period", "render"]

_RENDERERS = {"markdown": markdown.render, "html": html.render, "json": json.render}


def render(digest: Digest, form: str) -> str:
    """The digest as `markdown`, `html` or `json`."""
    return _RENDERERS[form](digest)
