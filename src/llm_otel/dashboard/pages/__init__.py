"""The pages: one module each, holding a `PAGE`."""

from __future__ import annotations

from typing import Final

from llm_otel.dashboard.context import Page
from llm_otel.dashboard.pages import (
    agent,
    agents,
    conversation,
    cost,
    errors,
    label,
    latency,
    missing,
    now,
    optimise,
    quality,
    roi,
    sessions,
    trace,
    traces,
)

PAGES: Final = (
    now.PAGE,
    cost.PAGE,
    errors.PAGE,
    latency.PAGE,
    traces.PAGE,
    sessions.PAGE,
    agents.PAGE,
    quality.PAGE,
    optimise.PAGE,
    roi.PAGE,
    label.PAGE,
    trace.PAGE,
    conversation.PAGE,
    agent.PAGE,
)


def find(path: str) -> tuple[Page, str]:
    """The page of an address, and what of the address follows the page's path."""
    plain = "/" + path.strip("/")
    for page in PAGES:
        if plain == page.path and page is not trace.PAGE:
            return page, ""
    for page in PAGES:
        if not page.in_menu and plain.startswith(page.path) and plain != page.path:
            subject = plain.removeprefix(page.path)
            # A session's id may have a slash in it, a trace's has none.
            if page is not trace.PAGE or "/" not in subject:
                return page, subject
    return missing.PAGE, plain
