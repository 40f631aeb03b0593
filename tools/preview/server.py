"""A Prometheus that has a past: blocks from text, and what the recording rules make of it."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_otel.stack.prometheus import FLAGS
from llm_otel.stack.prometheus.rule import Group, Rule
from tools.binaries.build import find
from tools.preview.api import Failed, Prometheus
from tools.preview.macros import duration

_NAME = re.compile(r"[a-z_]+:[a-z_]+:\w+")
# One block may span this: fewer blocks, as Prometheus makes them of old data.
_BLOCK = "744h"


class Store:
    """A Prometheus and its folder.

    Args:
        folder: Where its data are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, text: Path) -> None:
        """Make blocks of OpenMetrics text, and remove the text."""
        command = [find("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                   f"--max-block-duration={_BLOCK}", text, self.folder / "data"]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        text.unlink()

    @contextmanager
    def serving(self) -> Iterator[Prometheus]:
        """Run it for a while."""
        config = self.folder / "prometheus.yml"
        config.write_text("global: {}\n")
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{sock.getsockname()[1]}"
        command = [find("prometheus"), f"--config.file={config}", *FLAGS,
                   f"--storage.tsdb.path={self.folder / 'data'}",
                   f"--web.listen-address={address}"]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield _ready(Prometheus(f"http://{address}"), process)
        finally:
            process.terminate()
            process.wait(30)

    def record(self, groups: Sequence[Group], end: int, *, recent: int, since: int) -> None:
        """Evaluate recording rules over the past, level by level.

        Args:
            groups: The rules.
            end: The last second.
            recent: How far back the groups go that are evaluated each minute, in seconds.
            since: How far back the others go, each full hour.
        """
        for number, level in enumerate(levels(groups)):
            text = self.folder / f"level-{number}.om"
            with self.serving() as api, text.open("w", encoding="utf-8") as out:
                series: dict[str, list[str]] = {}
                for group, rule in level:
                    often = duration(group.interval) <= 60
                    interval, start = (60, end - recent) if often else (3600, end - since)
                    for key, samples in _evaluated(api, rule, start, end, interval):
                        series.setdefault(key, []).extend(samples)
                for key, samples in series.items():
                    out.writelines(f"{key} {sample}\n" for sample in samples)
                out.write("# EOF\n")
            if series:
                self.load(text)


def levels(groups: Sequence[Group]) -> list[list[tuple[Group, Rule]]]:
    """The rules in the order in which they need one another."""
    todo = [(group, rule) for group in groups for rule in group.rules]
    result = []
    while todo:
        names = {rule.record for _, rule in todo}
        now = [
            (group, rule)
            for group, rule in todo
            # one that carries its own last value on may do without
            if not (names - {rule.record}) & set(_NAME.findall(rule.expr))
        ]
        assert now, f"rules need one another: {names}"
        result.append(now)
        todo = [each for each in todo if each not in now]
    return result


def _evaluated(
    api: Prometheus, rule: Rule, start: int, end: int, interval: int
) -> Iterator[tuple[str, list[str]]]:
    data = api.get("query_range", query=rule.expr, start=start, end=end, step=interval)
    for each in data["result"]:
        if "values" in each:
            labels = {**each["metric"], **rule.labels}
            text = ",".join(f'{k}="{v}"' for k, v in labels.items() if k != "__name__")
            yield f"{rule.record}{{{text}}}", [f"{v} {at}" for at, v in each["values"]]


def _ready(api: Prometheus, process: subprocess.Popen[Any]) -> Prometheus:
    until = time.monotonic() + 60
    while True:
        try:
            api.get("query", query="vector(1)")
            return api
        except Failed:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextmanager
def temporary() -> Iterator[Store]:
    """A store that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="llm-otel-") as folder:
        yield Store(Path(folder))
