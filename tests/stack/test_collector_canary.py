"""No canary passes the shipped Collector: real program, shipped files, all places of OTLP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack.collector_rig import CONFIG, OVERLAYS, Collector, Metrics, Traces
from stack.parts import Part, free_port

from llm_otel.stack import canary
from llm_otel.stack.canary import looking, sending
from llm_otel.stack.collector.allowed import CONTENT

KEY = "0123456789abcdef0123456789abcdef0123"
WAIT_SECONDS = 40


@dataclass
class Run:
    """A report and the Collector that it is about."""

    report: canary.Report
    collector: Collector

    def sightings(self) -> set[int]:
        """Indices of all canaries that were seen anywhere."""
        return set().union(*(each.canaries for each in self.report.sightings.values()))


def prometheus(folder: Path) -> tuple[Part, str]:
    """A real Prometheus with OTLP and exemplars, and its address."""
    config = folder / "prometheus.yml"
    window = {"tsdb": {"out_of_order_time_window": "30m"}}
    config.write_text(yaml.safe_dump({"storage": window}))
    address = f"127.0.0.1:{free_port()}"
    part = Part(
        "prometheus",
        [
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={address}",
            "--web.enable-otlp-receiver",
            "--enable-feature=exemplar-storage",
        ],
        ready=f"http://{address}/-/ready",
        log=folder / "prometheus.log",
    )
    return part, f"http://{address}"


def examine(folder: Path, overlays: Sequence[str] = (), ways: str = "http grpc") -> Run:
    """Send all canaries through the shipped configuration with overlays; look everywhere."""
    (folder / "key").write_text(KEY)
    traces, analytics = Traces(), Metrics()
    configs = [OVERLAYS / f"{name}.yaml" for name in overlays]
    environment = {
        "USER_ID_KEY_FILE": str(folder / "key"),
        "TAIL_SAMPLING_WAIT": "1s",
        "TAIL_SAMPLING_PERCENT": "100",
        "KAFKA_BROKER": f"127.0.0.1:{free_port()}",
        "ANALYTICS_OTLP_HTTP": analytics.endpoint,
    }
    server, url = prometheus(folder)
    with (
        server,
        analytics,
        Collector(
            folder,
            *configs,
            tempo=f"127.0.0.1:{traces.port}",
            prometheus=f"{url}/api/v1/otlp",
            environment=environment,
        ) as collector,
    ):
        places = {
            "traces": lambda _: iter(list(traces.requests)),
            "Prometheus": looking.prometheus(url),
            "storage": looking.files(collector.storage),
            "log": looking.files(collector.log),
        }
        if "analytics" in overlays:
            places["analytics"] = lambda _: iter(list(analytics.bodies))
        senders = {"http": sending.http(collector.http), "grpc": sending.grpc_(collector.grpc)}
        chosen = {name: senders[name] for name in ways.split()}
        report = canary.run(canary.new_marks(), chosen, places, WAIT_SECONDS)
    traces.stop()
    return Run(report, collector)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All canaries through the shipped configuration."""
    return examine(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All canaries through the same configuration without its processors."""
    folder = tmp_path_factory.mktemp("control")
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    for name, pipeline in config["service"]["pipelines"].items():
        if name.endswith("/in"):
            pipeline["processors"] = []
    bare = folder / "bare.yaml"
    bare.write_text(yaml.safe_dump(config))
    traces = Traces()
    with (
        Metrics() as metrics,
        Collector(
            folder, tempo=f"127.0.0.1:{traces.port}", prometheus=metrics.endpoint, base=bare
        ) as collector,
    ):
        places = {
            "traces": lambda _: iter(list(traces.requests)),
            "metrics": lambda _: iter(list(metrics.bodies)),
            "events": looking.files(collector.events),
        }
        ways = {"http": sending.http(collector.http), "grpc": sending.grpc_(collector.grpc)}
        yield Run(canary.run(canary.new_marks(), ways, places, WAIT_SECONDS), collector)
    traces.stop()


def test_without_the_processors_every_canary_is_seen(control: Run) -> None:
    """The control: what is not seen here would prove nothing there."""
    missing = [
        f"{each.position.signal}: {each.position.name}: {each.form}"
        for index, each in control.report.shipment.canaries.items()
        if index not in control.sightings()
    ]
    assert not missing, missing[:20]
    assert len(control.report.shipment.canaries) > 9000


def test_no_canary_passes_the_shipped_configuration(shipped: Run) -> None:
    """Not in spans, Prometheus' series, exemplars and metadata, events, queue files, the log."""
    assert shipped.report.leaked == {}
    assert shipped.report.shipment.refused_indices == set()


def test_telemetry_does_arrive(shipped: Run) -> None:
    """The witnesses reach every place but the log: the canaries are not missing by accident."""
    assert shipped.report.silent == ["log"]


@pytest.mark.parametrize(
    "overlays",
    [
        ("user-hash", "tail-sampling", "analytics"),
        ("analytics", "tail-sampling", "user-hash", "kafka"),
    ],
    ids="+".join,
)
def test_no_overlay_loses_the_redaction(overlays: Sequence[str], tmp_path: Path) -> None:
    """With overlays nothing more passes; with Kafka down it waits in the queue, redacted."""
    run = examine(tmp_path, overlays, ways="http")
    assert run.report.leaked == {}
    assert not {"storage", "analytics"} & {*run.report.silent}


def test_content_overlay_lets_content_through_and_nothing_else(tmp_path: Path) -> None:
    """What leaks with `content.yaml` is content by its key, or an exception's text."""
    run = examine(tmp_path, ("content", "user-hash"), ways="http")
    where = {name for _, name in run.report.leaked}
    assert any(name.startswith("traces: span attributes: gen_ai.input.messages") for name in where)
    allowed = ("traces: span attributes: ", "logs: log attributes: ", "traces: span status message")
    other = {
        name
        for name in where
        if not name.startswith(allowed)
        or (": " in name and "attributes" in name and name.rpartition(": ")[2] not in CONTENT)
    }
    assert not other, other
