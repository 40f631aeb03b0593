"""Every service is killed under load, one after the other, and nothing is lost."""

from __future__ import annotations

import time

import pytest
from compose.crashes import crash_each
from compose.stack import Stack, ask

SERVICE = "crash"
# Each goes on with its data on its volume; the last two have none.
VICTIMS = (
    "otel-collector", "tempo", "prometheus", "analytics", "alertmanager", "notifications",
    "grafana", "collector-ready",
)  # fmt: skip


@pytest.fixture(scope="module")
def sent(stack: Stack) -> list[str]:
    """Traces that were acknowledged while every service was killed once, and came back."""
    stack.up()
    began = time.monotonic()
    traces = crash_each(stack, SERVICE, VICTIMS, calls=1)
    ask(lambda: all(map(stack.healthy, VICTIMS)), 90, "everything healthy again")
    stack.note("kill -9 of eight services, to all healthy", time.monotonic() - began)
    return traces


def test_tempo_has_every_trace(stack: Stack, sent: list[str]) -> None:
    """Each span that was acknowledged is found by its trace."""
    assert len(sent) > 100
    stack.await_traces(sent)


def test_the_lake_has_every_call_once(stack: Stack, sent: list[str]) -> None:
    """Nothing is lost, and what was sent twice is counted once."""
    assert stack.await_calls(SERVICE, len(sent)) == {"n": len(sent), "traces": len(sent)}


def test_prometheus_has_the_last_count(stack: Stack, sent: list[str]) -> None:
    """The counter ends where the application left it, and never went back."""
    series = f'gen_ai_tokens_consumed_total{{service_name="{SERVICE}"}}'

    last = f"max(last_over_time({series}[1h])) == {len(sent)}"
    ask(lambda: stack.query(last), 60, f"a count of {len(sent)}")
    assert [each["value"][1] for each in stack.query(f"resets({series}[1h])")] == ["0"]


@pytest.mark.slow
def test_everything_is_as_before(stack: Stack, sent: list[str]) -> None:
    """The doctor finds a stack that works."""
    ran = stack.run("llm-otel", "doctor")
    assert ran.returncode == 0, ran.stdout
