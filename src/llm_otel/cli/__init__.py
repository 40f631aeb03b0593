"""The command `llm-otel`: one module a command, imported when it is asked for."""

from __future__ import annotations

import sys

from llm_otel.version import __version__


def main() -> None:
    """Run the command line; what it needs beyond the library is the extra `cli`."""
    if sys.argv[1:] == ["--version"]:  # without the extra as well
        sys.stdout.write(f"llm-otel, version {__version__}\n")
        return
    try:
        from llm_otel.cli.group import group
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.startswith("llm_otel"):
            raise
        sys.exit(f"llm-otel: the command needs {exc.name}: pip install 'llm-otel[cli]'")
    group()
