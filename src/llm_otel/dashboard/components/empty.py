"""What a page says when it has nothing to show: what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import htpy as h

from llm_otel import formats
from llm_otel.dashboard.components.cards import notice, switch
from llm_otel.dashboard.components.snippets import SNIPPETS, program
from llm_otel.lake.queries.callless import Callless

# Where instrument() looks by itself.
_USUAL: Final = "http://127.0.0.1:4318"
# Which page lacks what -> title, sentence, code.
HINTS: Final = {
    "scores": (
        "No scores in this window",
        "Score an answer where you judge it, and its quality is drawn here.",
        'llm_otel.score("relevance", 0.87)',
    ),
    "outcomes": (
        "No outcomes in this window",
        "Tell what came of an interaction, and what it was worth.",
        'llm_otel.outcome(success=True, kind="ticket_resolved", value_usd=1.9)',
    ),
    "users": (
        "Nobody is named in this window",
        "Name the user of a call. User ids are hashed, or off, unless you choose otherwise.",
        "with llm_otel.attribution(user_id=user, session_id=session):\n    answer(question)",
    ),
}


def no_data(receiver: str | None, sdk: str, addresses: Mapping[str, str]) -> Any:
    """The lake is empty.

    Args:
        receiver: Where its receiver takes OTLP over HTTP; None: there is none that is known here.
        sdk: A key of `SNIPPETS`: whose first call is shown.
        addresses: This page with each of them.
    """
    install = f"pip install {SNIPPETS[sdk][0]}"
    steps = [
        h.li(class_="step")[h.h3["Install"], _code("install", install)],
        h.li(class_="step")[
            h.h3["Make a first call"],
            switch("SDK", {name: (addresses[name], name == sdk) for name in SNIPPETS}),
            _code("first-call", program(sdk)),
        ],
        h.li(class_="step")[
            h.h3["Or look around with made-up history"],
            _code("made-up", "llm-otel demo --history 30d"),
        ],
    ]
    return h.section(class_="card empty")[
        h.h2["No calls yet"], h.p[_where(receiver)], h.ol(class_="steps")[steps]
    ]


def no_calls(rows: Sequence[Callless]) -> Any:
    """Spans came, and none of them is a call: why."""
    spans = sum(row.spans for row in rows)
    return notice(
        f"{formats.plural(spans, 'span')} came, and none of them is a model call. The table says "
        "why, by the instrumentation that sent them.",
        "warn",
    )


def _code(name: str, text: str) -> Any:
    """Code with a button that copies it: `assets/app.js` does."""
    return h.div(class_="code")[
        h.pre(tabindex="0")[h.code(id=f"code-{name}")[text]],
        h.button(class_="button small copy", type="button", data_copy=f"code-{name}")["Copy"],
    ]


def _where(receiver: str | None) -> str:
    fills = "This page fills itself as soon as a program sends OTLP"
    if receiver is None:
        return f"{fills} to the receiver of this lake: llm-otel serve says where it listens."
    if receiver == _USUAL:
        return f"{fills} here: {receiver}, which instrument() finds without any setting."
    return f"{fills} here: {receiver}. Set OTEL_EXPORTER_OTLP_ENDPOINT={receiver} for that program."


def nothing_matches(widen: str, clear: str, filtered: bool) -> Any:
    """There are calls, but not here."""
    links = [h.a(href=widen, class_="button")["Look at the last 90 days"]]
    if filtered:
        links.insert(0, h.a(href=clear, class_="button")["Clear the filters"])
    return h.section(class_="card empty")[
        h.h2["No calls match"],
        h.p["There are calls in the lake, but none in this window with these filters."],
        h.div(class_="row")[links],
    ]


def hint(name: str) -> Any:
    """A page's own: how to send what it needs."""
    title, sentence, code = HINTS[name]
    return h.section(class_="card empty")[h.h2[title], h.p[sentence], h.pre[h.code[code]]]


# Only what could not be drawn has it.
FAILED: Final = 'role="alert"'


def failed(what: str, why: str) -> Any:
    """A page, or a part of one, could not be drawn."""
    return h.section(class_="card empty", role="alert")[
        h.h2[f"{what} could not be drawn"],
        h.p[why],
        h.p(class_="muted")["The log of the dashboard says the same."],
    ]
