"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
from textwrap import fill

import rich_click as click

from llm_otel.cli.group import COMMANDS, group

_WIDTH = 100


def commands() -> str:
    """Every command: what it does, its arguments and options."""
    context = click.Context(group, info_name="llm-otel")
    return "\n".join(_section(name, context) for name in COMMANDS)


def _section(name: str, parent: click.Context) -> str:
    command = group.get_command(parent, name)
    context = click.Context(command, parent=parent, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"### `llm-otel {name}`\n", f"```\nllm-otel {name} {usage}\n```\n"]
    parts += [_paragraph(text) for text in inspect.cleandoc(command.help or "").split("\n\n")]
    rows = [_row(each, context) for each in command.params if isinstance(each, click.Option)]
    if rows:
        lines = ("| option | what |", "| --- | --- |", *rows)
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _paragraph(text: str) -> str:
    """Prose is filled; what begins with `\\b` stands as it is: examples."""
    if text.startswith("\b"):
        return f"```console\n{text[1:].strip()}\n```\n"
    return (
        fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"
    )


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    names, help_text = record if record is not None else (option.opts[0], "")
    return f"| `{_plain(names)}` | {_plain(help_text)} |"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
