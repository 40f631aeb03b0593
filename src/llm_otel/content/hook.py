"""Completion hooks: the interface of opentelemetry-util-genai, without depending on it."""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, Protocol

from opentelemetry._logs import LogRecord
from opentelemetry.trace import Span

from llm_otel.base import guard
from llm_otel.base.otel_internals import entry_points
from llm_otel.content.model import Content

GROUP = "opentelemetry_genai_completion_hook"
logger = logging.getLogger("llm_otel")


class CompletionHook(Protocol):
    """Gets the content of every call, whatever the capture mode and the sampling decision."""

    def on_completion(
        self,
        *,
        inputs: list[Any],
        outputs: list[Any],
        system_instruction: list[Any],
        tool_definitions: list[Any] | None,
        span: Span | None,
        log_record: LogRecord | None,
    ) -> None:
        """Take one call's content.

        Args:
            inputs: `opentelemetry.util.genai.types.InputMessage` objects where that package is
                installed, else the dicts of the conventions; so for the others.
            outputs: Output messages.
            system_instruction: Parts of the system instructions.
            tool_definitions: Tool definitions, None where there are none.
            span: The call's span, not ended yet; attributes may be set on it.
            log_record: The call's event, not emitted yet; None where the mode has none.
        """


def load_hook(setting: str | CompletionHook | None) -> CompletionHook | None:
    """The hook that a setting means: the object itself, or one registered under a name.

    A registered hook is imported and made with the first content that it gets: it may reach out to
    a store to test it, and its threads would not survive a fork.

    Args:
        setting: The hook, a name in the entry point group `GROUP`, or None.

    Returns:
        The hook; None when none is set, and after one warning when no package registers the name.
    """
    if not isinstance(setting, str):
        return setting
    entries = list(entry_points(group=GROUP))
    for entry_point in entries:
        if entry_point.name == setting:
            return _RegisteredHook(entry_point)
    logger.warning(
        "No installed package registers the completion hook %r: no hook gets content. Known: %s.",
        setting,
        ", ".join(sorted(entry.name for entry in entries)) or "none",
    )
    return None


def call(
    hook: CompletionHook, content: Content, span: Span | None, log_record: LogRecord | None
) -> None:
    """Give `content` to `hook`; what it raises is logged once and counted."""
    try:
        types = _util_types()
        give: Callable[[list[Any], str], list[Any]] = _plain if types is None else _typed(types)
        hook.on_completion(
            inputs=give(content.inputs, "InputMessage"),
            outputs=give(content.outputs, "OutputMessage"),
            system_instruction=give(content.system, "MessagePart"),
            tool_definitions=give(content.tools, "ToolDefinition") or None,
            span=span,
            log_record=log_record,
        )
    except Exception as exc:  # noqa: BLE001 - the user's hook
        guard.handle("completion_hook", exc)


class _RegisteredHook:
    """Loads its entry point once in each process."""

    def __init__(self, entry_point: EntryPoint) -> None:
        self._entry_point = entry_point
        self._lock = threading.Lock()
        self._loaded_in: int | None = None
        self._hook: CompletionHook | None = None

    def on_completion(self, **content: Any) -> None:
        """Pass on to the hook, unless it could not be loaded."""
        if self._loaded_in != os.getpid():
            self._load()
        if self._hook is not None:
            self._hook.on_completion(**content)

    def _load(self) -> None:
        with self._lock:
            if self._loaded_in == os.getpid():
                return
            self._hook = None
            self._loaded_in = os.getpid()
            self._hook = self._entry_point.load()()


# Our part type -> its class in opentelemetry.util.genai.types, under its names by release.
_PART_CLASSES = {
    "text": ("TextPart", "Text"),
    "reasoning": ("ReasoningPart", "Reasoning"),
    "tool_call": ("ToolCallRequestPart", "ToolCallRequest", "ToolCall"),
    "tool_call_response": ("ToolCallResponsePart", "ToolCallResponse"),
    "server_tool_call": ("ServerToolCallPart", "ServerToolCall"),
    "server_tool_call_response": ("ServerToolCallResponsePart", "ServerToolCallResponse"),
    "file": ("FilePart", "File"),
    "uri": ("UriPart", "Uri"),
    "compaction": ("CompactionPart",),
}


@dataclass
class OtherPart:
    """A part that the conventions have no class for: its type, and all else it holds."""

    type: str
    content: Any = None


@cache
def _util_types() -> ModuleType | None:
    try:
        return importlib.import_module("opentelemetry.util.genai.types")
    except ImportError:
        return None


def _plain(values: list[Any], _: str) -> list[Any]:
    return values


def _typed(types: ModuleType) -> Callable[[list[Any], str], list[Any]]:
    def give(values: list[Any], kind: str) -> list[Any]:
        make = {"MessagePart": _part, "ToolDefinition": _tool}.get(kind)
        if make is not None:
            return [make(types, value) for value in values]
        message = getattr(types, kind)
        return [
            _build(message, {**value, "parts": [_part(types, part) for part in value["parts"]]})
            for value in values
        ]

    return give


def _part(types: ModuleType, part: dict[str, Any]) -> object:
    cls = _first(types, _PART_CLASSES.get(part["type"], ()))
    if cls is not None:
        return _build(cls, part)
    rest = {key: value for key, value in part.items() if key != "type"}
    return OtherPart(part["type"], rest["content"] if rest.keys() == {"content"} else rest)


def _tool(types: ModuleType, tool: dict[str, Any]) -> object:
    name = "FunctionToolDefinition" if tool["type"] == "function" else "GenericToolDefinition"
    cls = _first(types, (name,))
    return tool if cls is None else _build(cls, tool)


def _first(types: ModuleType, names: Iterable[str]) -> Any:
    return next((getattr(types, name) for name in names if hasattr(types, name)), None)


def _build(cls: Any, values: dict[str, Any]) -> object:
    """`cls` from the values it has fields for; a required field that is missing is None."""
    own_fields: tuple[Field[Any], ...] = fields(cls)
    return cls(
        **{
            field.name: values.get(field.name)
            for field in own_fields
            if field.name in values or (field.default is field.default_factory is MISSING)
        }
    )
