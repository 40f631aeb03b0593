"""The table of commands, and how one is found."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import rich_click as click

from llm_otel.escaping import visible
from llm_otel.version import __version__

# Command -> the module that holds it as `command`, or by the name after a colon. The list of
# commands imports them all, so they import what is heavy, or belongs to an extra, inside their
# functions.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "serve": "llm_otel.cli.serve",
        "demo": "llm_otel.cli.demo",
        "report": "llm_otel.cli.report",
        "export": "llm_otel.cli.export",
        "chart": "llm_otel.cli.chart",
        "sql": "llm_otel.cli.sql",
        "import": "llm_otel.cli.import_",
        "lake": "llm_otel.cli.lake",
        "init": "llm_otel.cli.init",
        "up": "llm_otel.cli.compose:up",
        "down": "llm_otel.cli.compose:down",
        "status": "llm_otel.cli.compose:status",
        "render": "llm_otel.cli.render",
        "doctor": "llm_otel.cli.doctor",
        "canary": "llm_otel.cli.canary",
        "notifications": "llm_otel.cli.notifications",
    }
)


_LOCAL: Final = ("serve", "demo", "report", "export", "chart", "sql", "import", "lake")


class _Group(click.RichGroup):
    """Imports a command when it is run, or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute or "command")
        command.name = cmd_name  # of the function, else
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it fails with may quote data, and is printed in one line."""
        try:
            return super().invoke(ctx)
        except click.ClickException as exc:
            exc.message = visible(exc.message)  # type: ignore[misc]
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.command_panel("Without Docker", commands=list(_LOCAL))
@click.command_panel("The stack", commands=[name for name in COMMANDS if name not in _LOCAL])
@click.version_option(__version__, prog_name="llm-otel")
def group() -> None:
    """OpenTelemetry for LLM calls: the stack, the local mode and the proofs.

    Exit codes: 0 all is well, 1 a check failed or something could not be done, 2 wrong usage.
    """
