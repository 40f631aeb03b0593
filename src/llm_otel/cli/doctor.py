"""`llm-otel doctor`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import rich_click as click

from llm_otel.escaping import visible
from llm_otel.stack.doctor.endpoints import ENDPOINTS
from llm_otel.stack.doctor.result import Result, State

_MARKS: Final = {
    State.OK: click.style("✓", fg="green"),
    State.WARNING: click.style("!", fg="yellow"),
    State.FAILED: click.style("✗", fg="red"),
}
_KEYS: Final = ", ".join(each.key for each in ENDPOINTS)


def _urls(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    urls = {}
    for text in texts:
        key, _, url = text.partition("=")
        if key not in {each.key for each in ENDPOINTS}:
            raise click.BadParameter(f"{key!r} is none of {_KEYS}.")
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"{text!r}: write {key}=http://HOST:PORT.")
        urls[key] = url
    return urls


@click.command()
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current one",
    help="Where docker-compose.yml is.",
)
@click.option("--before", is_flag=True, help="Only what can be checked before the stack starts.")
@click.option(
    "--url",
    "urls",
    multiple=True,
    callback=_urls,
    metavar="KEY=URL",
    help=f"An address that the compose file does not tell. Keys: {_KEYS}.",
)
@click.option(
    "--grafana-password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look at Grafana as admin, with the password in this file.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=600),
    default=90.0,
    show_default=True,
    help="Seconds that a test signal may take, and a target or the first alert after a start.",
)
@click.option(
    "--send",
    is_flag=True,
    help="Send the test signals to the default ports even where no compose file says whose they"
    " are. Without it a terminal is asked, and any other run only reads.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    folder: Path,
    before: bool,
    urls: dict[str, str],
    grafana_password_file: Path | None,
    timeout: float,
    send: bool,
    as_json: bool,
) -> None:
    """Check a stack: files, secrets, ports, services, and that a test signal comes out.

    It changes nothing. It sends two spans and one metric point of the service llm-otel-doctor.
    """
    from llm_otel.stack.doctor.examination import Question, examine

    password = grafana_password_file.read_text().strip() if grafana_password_file else ""
    question = Question(folder.resolve(), urls, before, password, timeout, send)
    if question.strangers and not (before or send or as_json) and _is_terminal():
        click.echo(f"There is no docker-compose.yml in {question.folder}.")
        allowed = click.confirm("Send test signals to whatever has the default ports?")
        question = replace(question, send=allowed)
    results = []
    for result in examine(question):
        results.append(result)
        if not as_json:
            click.echo(_line(result))
    failures = sum(each.state is State.FAILED for each in results)
    if as_json:
        checks = [asdict(each) for each in results]
        click.echo(json.dumps({"ok": not failures, "checks": checks}, indent=2))
    else:
        warnings = sum(each.state is State.WARNING for each in results)
        click.echo(f"\n{len(results)} checks: {failures} failed, {warnings} worth a look.")
    raise SystemExit(1 if failures else 0)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _line(result: Result) -> str:
    todo = f". {result.todo}" if result.todo else ""
    return f"{_MARKS[result.state]} {visible(result.text + todo)}"
