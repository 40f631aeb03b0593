"""The command `llm-otel canary`, and that a canary is found in whatever form it went through."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from otlp_receiver import OtlpReceiver
from stack.parts import free_port

from llm_otel.cli.canary import command
from llm_otel.stack.canary import Marks
from llm_otel.stack.canary.positions import positions
from llm_otel.stack.canary.values import values

MARKS = Marks("314159")
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "base64": base64.b64encode,
    "base64, one byte further": lambda data: base64.b64encode(b"x" + data),
    "base64, two bytes further": lambda data: base64.b64encode(b"xy" + data),
    "base64 for addresses": base64.urlsafe_b64encode,
    "base64 twice": lambda data: base64.b64encode(base64.b64encode(data)),
    "hex": lambda data: data.hex().encode(),
    "capital hex": lambda data: data.hex().upper().encode(),
    "percent signs": lambda data: quote(data).encode(),
    "JSON": lambda data: json.dumps(data.decode()).encode(),
}


class Dump(OtlpReceiver):
    """An endpoint that lets everything through into a file."""

    def __init__(self, file: Path, status: int = 200) -> None:
        super().__init__(status)
        self.file = file

    def receive(self, path: str, body: bytes) -> int:
        with self.file.open("ab") as out:
            out.write(body)
        return self.status


@pytest.fixture
def leaky(tmp_path: Path) -> Iterator[Dump]:
    """An endpoint without redaction."""
    file = tmp_path / "exported"
    file.touch()
    with Dump(file) as endpoint:
        yield endpoint


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_is_found_in_each_form(form: str) -> None:
    """Among other text, at any offset."""
    text = f"what I said: {MARKS.text(42)}, é and more".encode()
    assert MARKS.found(b"before " + FORMS[form](text) + b" after") == {42}


def test_nothing_is_found_where_nothing_is() -> None:
    """Neither the canaries of another run nor a number within a longer one."""
    other = Marks("271828")
    data = f"{other.text(1)} {other.number(2)} 9{MARKS.number(3)} {MARKS.number(4)}7"
    assert MARKS.found(data.encode()) == set()
    assert MARKS.found(gzip.compress(data.encode())) == set()


def test_every_position_has_values_of_every_type_and_form() -> None:
    """The leak table times types times forms, each canary with a mark of its own."""
    indices = count(1)
    made = [
        (place, form) for place in positions() for _, form, _ in values(place.takes, MARKS, indices)
    ]
    assert next(indices) == len(made) + 1
    assert len({(place.signal, place.name, form) for place, form in made}) == len(made)
    for wanted in ("span link trace_state", "metric unit", "log body", "entity type", "span name"):
        assert any(place.name == wanted for place, _ in made), wanted


def test_what_leaks_is_told_by_position(leaky: Dump) -> None:
    """Exit code 1, and a line for each place in OTLP that let something through."""
    arguments = ["--endpoint", leaky.endpoint, "--protocol", "http", "--look-in", str(leaky.file)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1, result.output
    assert "4,675 canaries sent, 0 of them refused." in result.output
    assert f"✗ {leaky.file}: traces: span status message: text, a sentence (http)" in result.output


def test_where_nothing_leaks_it_says_so(leaky: Dump, tmp_path: Path) -> None:
    """Nothing of the run is in the folder, so nothing is proven: exit code 1 and why."""
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = ["--endpoint", leaky.endpoint, "--protocol", "http", "--wait", "0"]
    result = CliRunner().invoke(command, [*arguments, "--look-in", str(empty)])
    assert result.exit_code == 1
    assert "nothing is proven" in result.output


def test_without_a_place_it_prints_what_to_search_for(leaky: Dump) -> None:
    """Exit code 0: the user looks."""
    result = CliRunner().invoke(command, ["--endpoint", leaky.endpoint, "--protocol", "http"])
    assert result.exit_code == 0
    assert "search for canary" in result.output


@pytest.mark.parametrize(
    ("option", "value", "protocol"),
    [("--endpoint", "http://127.0.0.1:{}", "http"), ("--grpc-endpoint", "127.0.0.1:{}", "grpc")],
)
def test_an_endpoint_that_is_not_there_is_one_sentence(
    option: str, value: str, protocol: str
) -> None:
    """What, where, what to do; no traceback."""
    result = CliRunner().invoke(
        command, [option, value.format(free_port()), "--protocol", protocol]
    )
    assert result.exit_code == 1
    assert "Nothing answers OTLP/" in result.output
    assert result.exc_info is not None
    assert result.exc_info[0] is SystemExit
