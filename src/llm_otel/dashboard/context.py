"""What a page gets to work with, and what a page is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from llm_otel.dashboard.state import State
from llm_otel.lake.queries import Filter, Reader
from llm_otel.lake.reading import Lake
from llm_otel.monthly_budgets import NO_BUDGETS, Budgets

if TYPE_CHECKING:
    from llm_otel.dashboard.charts import Chart
    from llm_otel.dashboard.components.tables import Table

Component = Any
# Name -> what makes the table: a table that fails costs no other part of its page.
Tables: TypeAlias = "Mapping[str, Callable[[], Table]]"
# Name -> what makes the chart; None where there is nothing to draw.
Charts: TypeAlias = "Mapping[str, Callable[[], Chart | None]]"


@dataclass(frozen=True)
class Context:
    """One request: the lake, the address and the time.

    Attributes:
        price: `llm_otel.cost` or the same of other prices.
        path: The page's.
        subject: What follows it.
        receiver: Where the lake's receiver takes OTLP over HTTP; None where that is not known.
        strict: Whether a part that fails is raised, as for a program, and not drawn as a failure.
        budgets: What may be spent in a month.
    """

    lake: Lake
    state: State
    now: datetime
    price: Callable[..., Any]
    path: str = "/"
    subject: str = ""
    receiver: str | None = None
    strict: bool = False
    budgets: Budgets = NO_BUDGETS

    @property
    def address(self) -> str:
        """The path of this page, its subject with it."""
        return f"{self.path}{quote(self.subject, safe='')}" if self.subject else self.path

    @cached_property
    def filter(self) -> Filter:
        """The question of the address."""
        return self.state.filter(self.now)

    def reader(self) -> Reader:
        """A reader of the question's rows."""
        return Reader(self.lake, self.filter)

    def here(self, **changes: str | tuple[str, ...] | None) -> str:
        """The address of this page with other parameters: the first page of its list, unless
        `page` is among them."""
        return self.state.to(**{"page": None, **changes}).href(self.address)

    def toggled(self, name: str, value: str) -> str:
        """The address of this page with a value added to a parameter, or taken out of it."""
        return self.state.toggled(name, value).to(page=None).href(self.address)

    def there(self, path: str, **changes: str | tuple[str, ...] | None) -> str:
        """The address of another page, with the filters of this one."""
        return self.state.shared().to(**changes).href(path)


@dataclass(frozen=True)
class Page:
    """A page: `load` asks the lake, `tables` and `charts` make what a program can ask for by its
    name, `show` puts them on the page.

    Attributes:
        path: Its address; what follows it is the `subject`.
        title: In the menu, the heading and the browser's tab.
        about: One line under the heading.
        in_menu: Whether the menu has it.
    """

    path: str
    title: str
    about: str
    load: Callable[[Context], Any]
    tables: Callable[[Context, Any], Tables]
    charts: Callable[[Context, Any], Charts]
    show: Callable[[Context, Any, Tables, Charts], list[Component]]
    in_menu: bool = True
    needs_calls: bool = True
