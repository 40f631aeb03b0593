"""From a provider that fails to the panel behind the link in the message, through real parts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from stack.catchers import wait_for
from stack.parts import ROOT, fetch
from stack.whole import Whole, whole

from llm_otel import semconv
from llm_otel.stack import grafana, panels
from llm_otel.stack.config import Config
from llm_otel.stack.notifications.messages import Alert, Message
from llm_otel.stack.panels import VARIABLES
from llm_otel.stack.prometheus.alerts import ALERTS, of_panel

ERRORS = of_panel(panels.ERROR_SHARE)
# Ten seconds for ten minutes, which no `llm-otel.yaml` may ask for: nobody waits that long here.
SHORT = replace(ERRORS.limits, window="10s", minimum=5, for_="0s", keep_firing_for="1s")
CONFIG = Config(alerts={ERRORS.key: SHORT})
SERVICE = "assistant"
NAMES = {alert.key: alert.name for alert in ALERTS}

# The sample application's support, for one shop at a provider that fails seven calls of ten, and
# for another at one that does not.
FAILING = """
import itertools
import time

import openai

import llm_otel
from examples import local
from examples.assistant.app import Assistant, Caller, Hosts
from examples.rag.manual import MANUAL
from llm_otel.testing import provider

local.bypass_proxies()
with provider() as failing, provider() as well:
    llm_otel.instrument(
        providers={**local.priced_as(failing.url, "openai"), **local.priced_as(well.url, "azure")}
    )
    unlucky = Assistant(Hosts(failing.url, well.origin, well.origin, well.url), MANUAL)
    lucky = Assistant(Hosts(well.url, well.origin, well.origin, well.url), MANUAL)
    for number in itertools.count():
        lucky.support(Caller("globex", "gus", "2"), "How do I descale it?")
        if number % 10 < 7:
            failing.enqueue("server_error")
        try:
            unlucky.support(Caller("acme", "ann", "1"), "How do I descale it?")
        except openai.InternalServerError:
            pass
        time.sleep(0.02)
"""

# A job that makes three calls and is gone: one is paid, one fails, one has a model without price.
ONE_SHOT = """
import openai

import llm_otel
from examples import local
from llm_otel.testing import provider

local.bypass_proxies()
with provider() as p:
    llm_otel.instrument(providers=local.priced_as(p.url, "openai"))
    client = openai.OpenAI(base_url=p.url, api_key="local", max_retries=0)

    def ask(model):
        messages = [{"role": "user", "content": "Once."}]
        return client.chat.completions.create(model=model, messages=messages).usage

    used = ask("gpt-4o")
    ask("of-our-own")
    p.enqueue("server_error")
    try:
        ask("gpt-4o")
    except openai.InternalServerError:
        pass
    cost = llm_otel.cost(
        model="gpt-4o",
        provider="openai",
        input_tokens=used.prompt_tokens,
        output_tokens=used.completion_tokens,
    )
    print(cost.input + cost.output)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """The stack, with a small window for the share of errors."""
    with whole(tmp_path_factory.mktemp("whole"), CONFIG) as running:
        yield running


def _environment(stack: Whole, service: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def _application(stack: Whole, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "application.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", FAILING],
            env=_environment(stack, SERVICE),
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _alert(
    stack: Whole, name: str, *, status: str = "firing", severity: str = "critical", **labels: str
) -> tuple[Message, Alert] | None:
    """The newest delivered alert of this name, status, severity and labels."""
    for message in stack.inbox.messages:
        for alert in message.alerts:
            told = {**alert.labels, "status": alert.status, "severity": alert.severity}
            wanted = {**labels, "alertname": name, "status": status, "severity": severity}
            if wanted.items() <= told.items():
                return message, alert
    return None


def test_a_failing_provider_leads_to_the_panel_that_shows_it(stack: Whole, tmp_path: Path) -> None:
    """Fault → library → Collector → Prometheus → Alertmanager → message → link → panel → series."""
    name, sick, healthy = NAMES["errors"], "gpt-4o", "gpt-4o-mini"
    with _application(stack, tmp_path) as process:

        def delivered() -> tuple[Message, Alert] | None:
            assert process.poll() is None, (tmp_path / "application.log").read_text()
            return _alert(stack, name, model=sick)

        message, alert = wait_for(delivered, "the alert", 45)
        assert message.receiver == "critical"
        assert (alert.labels["service_name"], alert.labels["provider"]) == (SERVICE, "openai")
        assert float(alert.value.rstrip("%")) > 10, alert
        assert alert.threshold == "10%"
        assert alert.runbook.endswith(f"#{name.lower()}")
        _follow(stack, alert.panel, sick)
        calls = f'{semconv.REQUEST_DURATION.prometheus}_count{{model="{healthy}"}}'
        assert stack.value(f"sum({calls})"), "the other model is in use"
        for severity in ("warning", "critical"):
            assert not _alert(stack, name, severity=severity, model=healthy)
        assert not _alert(stack, name, severity="warning", model=sick), "muted by the critical one"
    wait_for(lambda: _alert(stack, name, status="resolved", model=sick), "told that it is over", 45)


def _follow(stack: Whole, link: str, model: str) -> None:
    """Open the link as Grafana does: the panel is there, and shows the model above 10 %."""
    address = urlsplit(link)
    chosen = {key: values[0] for key, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}" == stack.config.grafana_url
    panel = _panel(stack, address.path.rsplit("/", 1)[1], chosen["viewPanel"])
    assert chosen["to"] == "now"
    start, end = int(chosen["from"]) / 1000, time.time()
    assert 3500 < end - start < 3700, "from an hour before it fired"
    shown = []
    for target in panel["targets"]:
        promql = _substituted(target["expr"], chosen)
        for series in stack.query_range(promql, end - 120, end, 1):
            highest = max(float(value) for _, value in series["values"])
            shown.append((series["metric"].get("model"), highest))
    assert shown, f"{link} shows nothing: {panel['targets']}"
    assert {name for name, _ in shown} == {model}, "the variables choose this model alone"
    assert max(highest for _, highest in shown) > 0.1, shown


def _panel(stack: Whole, uid: str, view: str) -> dict[str, Any]:
    boards = [
        json.loads(text)
        for path, text in grafana.files(stack.config).items()
        if path.endswith(f"/{uid}.json")
    ]
    assert len(boards) == 1, f"{len(boards)} dashboards are {uid}"
    panels = [each for panel in boards[0]["panels"] for each in (panel, *panel.get("panels", ()))]
    (found,) = [each for each in panels if view == f"panel-{each['id']}"]
    return dict(found)


def _substituted(promql: str, chosen: dict[str, str]) -> str:
    """A panel's query as Grafana sends it; a variable that the link leaves alone is at All."""
    values = {name: chosen.get(f"var-{name}", ".*") for name in VARIABLES}
    values |= {"__rate_interval": "10s", "__interval": "5s", "__range": "120s"}
    values |= {"percentile": "0.95", "topk": "10"}
    return re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda found: values[found[1] or found[2]], promql)


def test_a_job_that_makes_three_calls_and_exits_is_counted(stack: Whole) -> None:
    """Its cost, its error and its unpriced call are in the increase of the hour, and alert."""
    service = "one-shot"
    ran = subprocess.run(
        [sys.executable, "-c", ONE_SHOT],
        env=_environment(stack, service),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    for metric, exact in (
        (semconv.COST, float(ran.stdout)),
        (semconv.ERRORS, 1),
        (semconv.REQUESTS_UNPRICED, 1),
    ):
        name = f'{metric.prometheus}{{service_name="{service}"}}'
        counted = wait_for(lambda name=name: stack.value(f"sum({name})"), name)
        assert counted == pytest.approx(exact), name
        grown = wait_for(lambda name=name: stack.value(f"sum(increase({name}[1h]))"), name)
        # Two samples, the zero at the start and the value: Prometheus extends the line to both
        # sides, by half their distance at most.
        assert exact * 0.99 <= grown <= exact * 1.51, f"{name}: {grown} for {exact}"
    _, alert = wait_for(
        lambda: _alert(stack, NAMES["unpriced"], severity="warning", service_name=service),
        "the alert on the model without price",
    )
    assert alert.labels["model"] == "of-our-own"


@dataclass
class Writer:
    """Sends one sample after the other to an OTLP endpoint, and notes which were acknowledged."""

    url: str
    series: str
    acknowledged: list[int] = field(default_factory=list)
    refused: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Send until told to stop."""
        number = 0
        while not self._stop.wait(0.01):
            number += 1
            try:
                fetch(self.url, self._sample(number), {"Content-Type": "application/x-protobuf"})
                self.acknowledged.append(number)
            except (URLError, OSError):
                self.refused += 1

    def stop(self) -> None:
        """Send no more."""
        self._stop.set()

    def _sample(self, number: int) -> bytes:
        request = ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        name = resource.resource.attributes.add(key="service.name")
        name.value.string_value = "writer"
        metric = resource.scope_metrics.add().metrics.add()
        metric.name = semconv.RATELIMIT_REQUESTS_REMAINING.name
        metric.unit = semconv.RATELIMIT_REQUESTS_REMAINING.unit
        point = metric.gauge.data_points.add()
        point.time_unix_nano = time.time_ns()
        point.as_double = number
        label = point.attributes.add(key=semconv.MODEL)
        label.value.string_value = self.series
        return request.SerializeToString()


def test_what_was_acknowledged_survives_a_kill_of_prometheus(stack: Whole) -> None:
    """Counted at both ends: each sample that Prometheus, or the Collector before it, took."""
    writers = (
        Writer(f"{stack.url}/api/v1/otlp/v1/metrics", "straight"),
        Writer(f"{stack.otlp}/v1/metrics", "by-the-collector"),
    )
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    straight, collected = writers
    try:
        wait_for(lambda: len(straight.acknowledged) > 100, "100 samples before the kill")
        stack.prometheus.kill()
        down = len(collected.acknowledged)
        wait_for(lambda: straight.refused > 10, "Prometheus gone")
        wait_for(lambda: len(collected.acknowledged) > down + 50, "the Collector takes more")
        stack.prometheus.start()
        before = len(straight.acknowledged)
        wait_for(lambda: len(straight.acknowledged) > before + 50, "50 samples after the kill")
    finally:
        for writer in writers:
            writer.stop()
        for thread in threads:
            thread.join()
    for writer in writers:
        wait_for(lambda writer=writer: not _missing(stack, writer), f"all of {writer.series}")


def _missing(stack: Whole, writer: Writer) -> set[int]:
    """Samples that were acknowledged and are not in Prometheus."""
    name = semconv.RATELIMIT_REQUESTS_REMAINING.prometheus
    found = stack.query(f'{name}{{model="{writer.series}"}}[10m]')
    stored = {int(float(value)) for series in found for _, value in series["values"]}
    return set(writer.acknowledged) - stored
