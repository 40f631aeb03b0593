"""Two tiers of Collectors with a real Kafka between them; each part is killed under load."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from compose.crashes import crash_each
from compose.stack import PROJECT, Stack, ask

SERVICE = "kafka"
VICTIMS = ("otel-collector", "otel-collector-tier2", "kafka")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiers(stack: Stack) -> Iterator[Stack]:
    """The stack with the overlay, and a broker."""
    files = stack.files
    stack.files = ("deploy/compose.kafka.yaml", "tests/compose/kafka.yaml")
    stack.note("up --wait with Kafka", stack.up())
    yield stack
    stack.files = files
    gone = stack.compose("up", "--detach", "--wait", "--remove-orphans")
    assert gone.returncode == 0, gone.stderr
    # what the overlay adds, the base file does not take down
    volumes = [f"{PROJECT}_{name}" for name in ("kafka", "collector-queue-tier2")]
    assert stack.run("docker", "volume", "rm", *volumes).returncode == 0


def test_what_went_in_comes_out_behind_kafka(tiers: Stack) -> None:
    """The doctor's signals pass both tiers."""
    ran = tiers.run("llm-otel", "doctor")
    assert ran.returncode == 0, ran.stdout + tiers.why()


def test_crashes_lose_nothing_and_double_nothing(tiers: Stack) -> None:
    """A Collector of each tier and the broker are killed: every call arrives, in the lake once."""
    began = time.monotonic()
    sent = crash_each(tiers, SERVICE, VICTIMS, calls=50)
    tiers.await_traces(sent)
    assert tiers.await_calls(SERVICE, len(sent)) == {"n": len(sent), "traces": len(sent)}
    series = f'gen_ai_tokens_consumed_total{{service_name="{SERVICE}"}}'
    last = f"max(last_over_time({series}[1h])) == {len(sent)}"
    ask(lambda: tiers.query(last), 60, f"a count of {len(sent)} in Prometheus")
    tiers.note("kill -9 of both tiers and Kafka, to all there", time.monotonic() - began)
