"""No canary is in what people are told: through the Collector, an alert on every series, a message.

The alert is the worst that somebody could write: it fires on whatever there is, keeps every label
but the instance's, and says them all in its text.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import yaml
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from stack.catchers import wait_for
from stack.whole import Whole, whole

from llm_otel import semconv
from llm_otel.stack import canary
from llm_otel.stack.canary import looking, sending
from llm_otel.stack.canary.positions import attribute, new_record
from llm_otel.stack.config import Config

WAIT_SECONDS = 40
TALKATIVE = {
    "alert": "Talkative",
    "expr": 'count without (instance, le) ({__name__=~"gen_ai_.+|target_info",job="canary"}) > 0',
    "labels": {"severity": "warning", "component": "llm"},
    "annotations": {"summary": "{{ $labels }}", "description": "{{ $labels }}", "value": "1"},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """The stack, and the alert beside its own."""
    folder = tmp_path_factory.mktemp("canary")
    with whole(folder, Config()) as running:
        groups = [{"name": "talkative", "interval": "1s", "rules": [TALKATIVE]}]
        (folder / "prometheus/alerts/mine.yaml").write_text(yaml.safe_dump({"groups": groups}))
        running.prometheus.process.send_signal(signal.SIGHUP)
        yield running


def told(stack: Whole) -> dict[str, bytes]:
    """What Alertmanager knows, and what it delivered, as it was rendered."""
    nothing = sending.Shipment({}, set())
    alerts = looking.alertmanager(f"http://{stack.at['alertmanager']}")(nothing)
    return {"alerts": b"".join(alerts), "messages": repr(stack.inbox.messages).encode()}


def wait_until_told(stack: Whole, text: str) -> None:
    """Until a text is in an alert, and in a message, too."""

    def everywhere() -> bool:
        return all(text.encode() in each for each in told(stack).values())

    wait_for(everywhere, f"{text} in a message", WAIT_SECONDS)


def test_no_canary_is_in_an_alert_or_a_message(stack: Whole) -> None:
    """Whatever was sent to the Collector: the witness, which was sent last, is told alone."""
    marks = canary.new_marks()
    sent = sending.send_all(marks, {"http": sending.http(stack.otlp)})
    wait_until_told(stack, marks.witness)
    assert len(sent.canaries) > 4000
    assert {where: marks.found(each) for where, each in told(stack).items()} == {
        "alerts": set(),
        "messages": set(),
    }


def test_what_does_not_pass_the_collector_is_told(stack: Whole) -> None:
    """The control: a label that goes straight to Prometheus is in the alert and in its message."""
    marks = canary.new_marks()
    made, said = new_record("metrics", 1), f"I said {marks.text(1)}"
    attribute(made.point.attributes, semconv.FEATURE, AnyValue(string_value=said))
    assert sending.http(f"{stack.url}/api/v1/otlp")("metrics", made.request.SerializeToString())
    wait_until_told(stack, marks.text(1))
    assert [marks.found(each) for each in told(stack).values()] == [{1}, {1}]
