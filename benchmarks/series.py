"""What a series costs Prometheus: its memory with more and more processes that export.

python -m benchmarks.series
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Final

import yaml

from benchmarks.stack import resident
from benchmarks.stack_load import metrics
from llm_otel.stack import prometheus
from tests.stack.parts import ROOT, Part, fetch, free_port

PROCESSES: Final = (50, 100, 200)
SAMPLES: Final = 30
_HEADERS: Final = {"Content-Type": "application/x-protobuf"}


def main() -> None:
    """Print series, memory, and bytes a series beyond the smallest number of processes."""
    with tempfile.TemporaryDirectory() as name:
        folder, url = Path(name), f"http://127.0.0.1:{free_port()}"
        shipped = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
        config = {key: shipped[key] for key in ("global", "otlp", "storage")}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        part = Part(
            "prometheus",
            [
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={url.removeprefix('http://')}",
                *prometheus.FLAGS,
            ],
            ready=f"{url}/-/ready",
            log=folder / "log",
        )
        with part:
            empty = resident(part.process.pid)
            for processes in PROCESSES:
                _export(url, processes)
                status = json.loads(fetch(f"{url}/api/v1/status/tsdb"))["data"]
                series, memory = status["headStats"]["numSeries"], resident(part.process.pid)
                each = (memory - empty) * 2**20 / series
                print(f"{series:,} series: {memory:,.0f} MiB, {each:,.0f} bytes each", flush=True)


def _export(url: str, processes: int) -> None:
    began = time.monotonic() - SAMPLES
    for sample in range(SAMPLES):
        for process in range(processes):
            body = metrics(process, (sample + 1) * 500, began).SerializeToString()
            fetch(f"{url}/api/v1/otlp/v1/metrics", body, _HEADERS)


if __name__ == "__main__":
    main()
