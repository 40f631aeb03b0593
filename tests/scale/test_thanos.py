"""Thanos beside Prometheus: its answers are Prometheus's, and a bucket has what is cut off."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from scale.s3 import KEYS, aws, buckets
from stack.dashboards import BY_UID, CONFIG, targets
from stack.parts import ROOT, Part, fetch, free_port, program
from stack.test_dashboards_live import EMPTY, answer, now, result, run_sample
from stack.whole import Whole, whole

from benchmarks.tiers import await_that
from tools.preview.api import Failed, Prometheus

pytestmark = pytest.mark.slow

SERVICES = yaml.safe_load((ROOT / "deploy" / "compose.thanos.yaml").read_text())["services"]
HERE = {"cluster": "eu-1"}
# Two days ago, cut in a block of two hours, as Prometheus cuts them.
PAST = int(time.time()) // 7200 * 7200 - 2 * 86_400
OLD = f"""# TYPE old counter
old_total{{model="gpt-4o"}} 1 {PAST + 60}
old_total{{model="gpt-4o"}} 5 {PAST + 120}
# EOF
"""


@dataclass
class Thanos:
    """A stack with Thanos, on which the sample application has run.

    Attributes:
        stack: The rest of it.
        everything: Answers from Prometheus and the bucket.
        bucket: Answers from the bucket alone.
    """

    stack: Whole
    everything: Prometheus
    bucket: Prometheus


def flags(service: str, **places: str) -> list[str]:
    """The command of the overlay, with the test's places."""
    command = SERVICES[service]["command"]
    for old, new in places.items():
        command = [each.replace(old, new) for each in command]
    return command


@pytest.fixture(scope="module")
def thanos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thanos]:
    """Prometheus, sidecar, store, compactor and two queriers."""
    folder = tmp_path_factory.mktemp("stack")
    cut = [each for each in SERVICES["prometheus"]["command"] if "-block-duration" in each]
    with ExitStack() as running:
        url = running.enter_context(buckets(folder))
        subprocess.run(["aws", "s3", "mb", "s3://llm-metrics"], env=aws(url), check=True)
        config = replace(CONFIG, external_labels=HERE)
        stack = running.enter_context(whole(folder, config, flags=cut))
        _block(folder)
        objects = folder / "objstore.yaml"
        objects.write_text(yaml.safe_dump(_bucket(url)))
        grpc = {name: f"127.0.0.1:{free_port()}" for name in ("sidecar", "store")}

        def start(service: str, name: str, *more: str, **places: str) -> str:
            http = f"127.0.0.1:{free_port()}"
            addresses = [f"--http-address={http}"]
            if service != "thanos-compact":  # the only one that nobody asks by gRPC
                addresses.append(f"--grpc-address={grpc.get(name, f'127.0.0.1:{free_port()}')}")
            part = Part(
                "thanos",
                [*flags(service, **places), *addresses, *more],
                ready=f"http://{http}/-/ready",
                log=folder / f"{name}.log",
            )
            running.enter_context(part)
            return f"http://{http}"

        places = {"/run/secrets/objstore.yaml": str(objects)}
        series = {"/prometheus": f"{folder}/series", "http://prometheus:9090": stack.url}
        # the second holds the first's name
        start("thanos-sidecar", "sidecar", **{**dict(reversed(series.items())), **places})
        kept = {"/tmp/store": f"{folder}/store", **places}
        start("thanos-store", "store", "--sync-block-duration=1s", **kept)
        start("thanos-compact", "compact", **{"/data": f"{folder}/compact", **places})
        at = {"thanos-sidecar:10901": grpc["sidecar"], "thanos-store:10901": grpc["store"]}
        everything = start("thanos-query", "query", **at)
        bucket = start("thanos-query", "bucket", **{**at, "thanos-sidecar:10901": grpc["store"]})
        run_sample(stack, folder)
        yield Thanos(stack, Prometheus(everything), Prometheus(bucket))


def _bucket(url: str) -> dict[str, object]:
    """The example's settings, with the test's server."""
    example = ROOT / "secrets" / "thanos" / "objstore.yaml.example"
    settings = yaml.safe_load(example.read_text())
    settings["config"] |= {
        "endpoint": url.removeprefix("http://"),
        "access_key": KEYS["AWS_ACCESS_KEY_ID"],
        "secret_key": KEYS["AWS_SECRET_ACCESS_KEY"],
        "insecure": True,
    }
    return dict(settings)


def _block(folder: Path) -> None:
    """A block of the past, as Prometheus would have cut it."""
    (folder / "old.txt").write_text(OLD)
    command = [program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    made = subprocess.run(
        [*command, folder / "old.txt", folder / "series"], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("uid", BY_UID)
def test_every_query_of_the_dashboards_is_answered(thanos: Thanos, uid: str) -> None:
    """Each finds data, or is rightly empty, as on Prometheus."""
    view, wrong = now(BY_UID[uid]), []
    for each in targets():
        if each.dashboard["uid"] == uid:
            key = f"{each.panel['title']} {each.target['refId']}"
            try:
                if not answer(thanos.everything, each, view) and key not in EMPTY:
                    wrong.append(f"{key}: nothing for {each.expr}")
            except Failed as exc:
                wrong.append(f"{key}: {exc}")
    assert not wrong, "\n".join(wrong)


def test_rules_are_seen_through_it(thanos: Thanos) -> None:
    """Prometheus evaluates the rules; what they record is answered with its cluster's label."""
    rules = json.loads(fetch(f"{thanos.stack.url}/api/v1/rules"))["data"]["groups"]
    records = [r for group in rules for r in group["rules"] if r["type"] == "recording"]
    assert [r["name"] for r in records if r["health"] == "err"] == []
    found = result(thanos.everything, '{__name__=~".+:gen_ai_.+"}')
    assert found
    assert {each["metric"].get("cluster") for each in found} == {HERE["cluster"]}


def test_the_bucket_answers_for_the_past(thanos: Thanos) -> None:
    """The sidecar uploads a block, and the store answers from the bucket alone."""

    def past() -> list[dict[str, object]]:
        found = thanos.bucket.get("query", query="old_total", time=PAST + 130)["result"]
        return list(found)

    await_that(lambda: bool(past()), 120)
    (series,) = past()
    assert series["value"] == [PAST + 130, "5"]
    assert series["metric"] == {"__name__": "old_total", "model": "gpt-4o", **HERE}
