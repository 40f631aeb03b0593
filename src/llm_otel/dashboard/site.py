"""From an address to what its page shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import htpy as h

import llm_otel
from llm_otel import formats
from llm_otel.dashboard import language, pages
from llm_otel.dashboard.components import empty
from llm_otel.dashboard.components.cards import notice
from llm_otel.dashboard.components.snippets import SNIPPETS
from llm_otel.dashboard.components.tables import table_card
from llm_otel.dashboard.context import Charts, Context, Page
from llm_otel.dashboard.failures import DamagedLakeError
from llm_otel.dashboard.pages import common
from llm_otel.dashboard.state import State as Address
from llm_otel.errors import ConfigError
from llm_otel.lake.admission import AHEAD
from llm_otel.lake.queries import choices
from llm_otel.lake.queries.ahead import USUAL, ahead
from llm_otel.lake.queries.callless import callless
from llm_otel.lake.reading import Lake, without_damaged
from llm_otel.monthly_budgets import NO_BUDGETS, Budgets

_CHOICES_FOR_S: Final = 30.0
_CHOICES_RARELY: Final = 200
_CHOICES_REACH: Final = timedelta(days=90)


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Site:
    """Answers addresses; what the filters can be set to is remembered for half a minute, or for
    as long as it took to ask a few hundred times.

    Args:
        lake: An open lake.
        price: As `llm_otel.cost`, for what models would cost; None: that, at list prices.
        clock: The time now, UTC; None: the machine's.
        receiver: Where the lake's receiver takes OTLP over HTTP; None: not known (yet).
        strict: Whether a part of a page that fails is raised, and not drawn as a failure.
        budgets: What may be spent in a month.
    """

    def __init__(
        self,
        lake: Lake,
        price: Callable[..., Any] | None = None,
        clock: Callable[[], datetime] | None = None,
        receiver: Callable[[], str | None] = lambda: None,
        *,
        strict: bool = False,
        budgets: Budgets = NO_BUDGETS,
    ) -> None:
        self.lake = lake
        self._price = price or llm_otel.cost
        self._clock = clock or _utc_now
        self._receiver = receiver
        self._strict = strict
        self._budgets = budgets
        self._choices: choices.Choices | None = None
        self._choices_until = 0.0

    def context(self, path: str | None, search: str | None) -> tuple[Page, Context]:
        """The page of an address, and what it is asked."""
        page, subject = pages.find(path or "/")
        now = self._clock().astimezone(timezone.utc).replace(tzinfo=None)
        address = Address.parse(search)
        return page, Context(
            self.lake,
            address,
            now,
            self._price,
            page.path,
            subject,
            self._receiver(),
            self._strict,
            self._budgets,
        )

    def choices(self, now: datetime) -> choices.Choices:
        """What the filters can be set to."""
        began = time.monotonic()
        if self._choices is None or began > self._choices_until:
            self._choices = choices.choices(self.lake, now - _CHOICES_REACH, now)
            end = time.monotonic()
            # A large lake takes long to ask, and its names change no faster.
            self._choices_until = end + max(_CHOICES_FOR_S, (end - began) * _CHOICES_RARELY)
        return self._choices

    def content(self, page: Page, context: Context) -> list[Any]:
        """The page, or what to do where it has nothing to show; first what of its address is wrong
        and therefore ignored.

        Raises:
            ConfigError: It is, and this site is strict.
        """
        mistakes = self._mistakes(context)
        try:
            content = without_damaged(self.lake, lambda: self._content(page, context))
        except DamagedLakeError:
            content = self._content(page, context)
        return [*(notice(each, "warn") for each in (*mistakes, *self._damages())), *content]

    def charts(self, page: Page, context: Context) -> Charts:
        """The charts of the page by name; none where there are no calls to draw.

        Raises:
            ConfigError: As of `content`.
        """
        self._mistakes(context)
        if not choices.any_calls(self.lake, context.filter):
            return {}
        return page.charts(context, page.load(context))

    def _mistakes(self, context: Context) -> list[str]:
        mistakes = context.state.mistakes(context.now)
        line = context.state.get("q")
        if line:
            mistakes += language.search(line, context.state, context.now).mistakes
        if mistakes and self._strict:
            raise ConfigError(" ".join(mistakes))
        return mistakes

    def _damages(self) -> list[str]:
        """What figures lack."""
        files = self.lake.damaged()
        if not files:
            return []
        are = "files of the lake are" if files > 1 else "file of the lake is"
        return [
            f"{files} {are} damaged and left out of all figures: `llm-otel lake check` names them, "
            "`llm-otel lake repair` sets them aside."
        ]

    def _empty(self, context: Context) -> list[Any]:
        """No call is in the lake: how to send one; and what is stored all the same, and why it is
        none."""
        sdk = context.state.choice("sdk", SNIPPETS)
        start = empty.no_data(
            context.receiver, sdk, {name: context.here(sdk=name) for name in SNIPPETS}
        )

        def others() -> Any:
            rows = callless(context.reader())
            if not rows:
                return None
            href = "/csv/callless?of=/traces"
            return [empty.no_calls(rows), table_card(common.callless_table(rows), href)]

        return [common.part(context, "The spans without a call", others), start]

    def _ahead(self, context: Context, latest: datetime) -> Any:
        """How many calls the figures lack because they are dated in the future."""
        now = context.now
        if context.filter.until != now or latest <= now + USUAL:
            return None

        def sentence() -> Any:
            calls = ahead(self.lake, context.filter, now)
            if not calls:
                return None
            until = (now + AHEAD + timedelta(minutes=1)).isoformat("T", "minutes")
            return notice(
                [
                    f"{formats.count(calls)} {'calls are' if calls > 1 else 'call is'} dated in "
                    "the future, because a sender's clock is ahead. The figures here end now: ",
                    h.a(href=context.here(until=until))["show one day more"],
                    ", and set that clock.",
                ],
                "warn",
            )

        return common.part(context, "The calls of clocks that are ahead", sentence)

    def _content(self, page: Page, context: Context) -> list[Any]:
        early = None
        if page.needs_calls:
            latest = choices.latest(self.lake, context.now)
            if latest is None:
                return self._empty(context)
            early = self._ahead(context, latest)
            if not choices.any_calls(self.lake, context.filter):
                return [
                    early,
                    empty.nothing_matches(
                        context.here(range="90d", since=None, until=None),
                        context.state.cleared().href(context.path),
                        context.state.cleared() != context.state,
                    ),
                ]
        data = page.load(context)
        tables, charts = page.tables(context, data), page.charts(context, data)
        return [early, *page.show(context, data, tables, charts)]
