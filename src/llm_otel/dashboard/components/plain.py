"""What only stands there, as one component of Dash instead of thousands.

Dash wraps each of its components and looks at all of them whenever one changes: a table of a
hundred rows takes it seconds. What no callback asks about is therefore sent as plain data, which
`assets/plain.js` draws at once.
"""

from __future__ import annotations

from typing import Any, Final

from dash import dcc
from dash.development.base_component import Component

_CHILDREN: Final = "children"
_DCC: Final = dcc.Graph._namespace


class Plain(Component):
    """A tree of elements that `assets/plain.js` draws: `tag`, `props`, `children`."""

    _children_props: list[str] = []  # noqa: RUF012 as Dash declares it
    _base_nodes = [_CHILDREN]  # noqa: RUF012 as Dash declares it
    _namespace = "llm_otel"
    _type = "Plain"

    def __init__(self, tree: Any) -> None:
        self._prop_names = self.available_properties = ["tree"]
        self._valid_wildcard_attributes: list[str] = []
        self.available_wildcard_properties: list[str] = []
        super().__init__(tree=tree)  # type: ignore[no-untyped-call]


def plain(part: Any) -> Any:
    """`part` with all of it that holds no chart and no field made plain."""
    if isinstance(part, (list, tuple)):
        return [plain(each) for each in part]
    if not isinstance(part, Component):
        return part
    if not _is_live(part):
        return Plain(_tree(part))
    if part._namespace != _DCC:
        part.children = plain(part.children)
    return part


def _is_live(part: Any) -> bool:
    """Whether a callback asks about it or what is in it, or a library draws it."""
    if isinstance(part, (list, tuple)):
        return any(map(_is_live, part))
    if not isinstance(part, Component) or isinstance(part, dcc.Link):
        return False
    return part._namespace == _DCC or _is_live(getattr(part, _CHILDREN, None))


def _tree(part: Any) -> Any:
    if isinstance(part, (list, tuple)):
        return [_tree(each) for each in part if each is not None]
    if not isinstance(part, Component):
        return part
    props = part.to_plotly_json()["props"]  # type: ignore[no-untyped-call]
    children = props.pop(_CHILDREN, None)
    return {"tag": part._type.lower(), "props": props, _CHILDREN: _tree(children)}
