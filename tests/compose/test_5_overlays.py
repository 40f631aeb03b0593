"""Each choice of the compose file alone, and all that go together."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from compose.stack import Stack

CHOICES: dict[str, dict[str, str]] = {
    "no analytics": {"COLLECTOR_ANALYTICS": "off"},
    "user hash": {"COLLECTOR_USER_ID": "user-hash"},
    "content": {"COLLECTOR_CONTENT": "content"},
    # of the doctor's spans every one, or it would find some of them missing
    "tail sampling": {"COLLECTOR_SAMPLING": "tail-sampling", "TAIL_SAMPLING_PERCENT": "100"},
}
CHOICES["together"] = {
    key: value for each in list(CHOICES.values())[1:] for key, value in each.items()
}

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def as_it_was(stack: Stack) -> Iterator[None]:
    """No choice is left to the next test."""
    variables, files = dict(stack.variables), stack.files
    yield
    stack.variables, stack.files = variables, files


@pytest.mark.parametrize("choice", CHOICES)
def test_each_choice_works(stack: Stack, choice: str) -> None:
    """It starts, and the doctor sees signals come out."""
    key = stack.folder / "secrets" / "collector" / "user_id_key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o644)
    stack.variables |= CHOICES[choice]
    stack.up()
    ran = stack.run("llm-otel", "doctor")
    assert ran.returncode == 0, ran.stdout


def test_closed_has_no_port_of_prometheus(stack: Stack) -> None:
    """With `compose.closed.yaml` Grafana alone reaches Prometheus and Alertmanager."""
    stack.files = ("deploy/compose.closed.yaml",)
    stack.up()
    containers = stack.containers()
    for name in ("prometheus", "alertmanager"):
        assert not any(containers[name]["NetworkSettings"]["Ports"].values())
    ran = stack.run("llm-otel", "doctor", "--timeout=60")
    failed = [line for line in ran.stdout.splitlines() if line.startswith("✗")]
    assert [
        line for line in failed if "Prometheus" not in line and "Alertmanager" not in line
    ] == []
    assert "Grafana gets data from prometheus" in ran.stdout
