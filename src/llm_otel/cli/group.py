"""The table of commands, and how one is found."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import rich_click as click

from llm_otel.version import __version__

# Command -> the line that the list of commands shows. `llm_otel.cli.<command>` holds `command`.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "render": "Write the stack's generated files: Collector, rules, dashboards.",
        "doctor": "Check a stack: ports, files, secrets, endpoints, one span end to end.",
        "canary": "Prove that an endpoint lets nothing private through.",
    }
)


class _Group(click.RichGroup):
    """Imports a command when it is run: the list of commands costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"llm_otel.cli.{cmd_name}").command

    def format_commands(self, ctx: click.Context, formatter: click.RichHelpFormatter) -> None:
        """Show the table, without importing what it names."""
        formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llm-otel")
def group() -> None:
    """OpenTelemetry for LLM calls: the stack, the local mode and the proofs.

    Exit codes: 0 all is well, 1 a check failed or something could not be done, 2 wrong usage.
    """
