"""A lake that is copied to a bucket by the commands of docs/lake.md, and read there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import deltalake
import polars
import pytest
from docs.markdown import ROOT, blocks
from lake import samples
from scale.s3 import KEYS, aws, buckets

from llm_otel.lake.decode import TRACES
from llm_otel.lake.ingest import Ingest

pytestmark = pytest.mark.slow

(COMMANDS,) = (b.text for b in blocks(ROOT / "docs" / "lake.md") if "s3 sync" in b.text)
OPTIONS = {
    "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
    "aws_region": KEYS["AWS_REGION"],
    "aws_allow_http": "true",
}


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """An S3 server with the bucket of the documentation."""
    with buckets(tmp_path) as url:
        run("aws s3 mb s3://bucket", url, tmp_path)
        yield url


def run(commands: str, url: str, folder: Path) -> None:
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=folder, env=aws(url), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def calls_in(url: str) -> tuple[int, int]:
    """How many calls the copy holds: by deltalake, by Polars."""
    host = subprocess.check_output(["hostname"], text=True).strip()
    table, options = f"s3://bucket/lakes/{host}/calls", {**OPTIONS, "aws_endpoint_url": url}
    rows = deltalake.DeltaTable(table, storage_options=options).to_pyarrow_table().num_rows
    scan = polars.scan_delta(table, storage_options=options)
    return rows, scan.select(polars.len()).collect().item()


@pytest.mark.parametrize("moment", range(4))
def test_a_copy_is_whole_whenever_more_is_written(moment: int, bucket: str, tmp_path: Path) -> None:
    """Calls that come in between two commands are in this copy or in the next, which adds them."""
    with Ingest(tmp_path / "lake") as ingest:
        write = writer(ingest)
        write()
        commands = re.findall(r"(?:[^\n\\]|\\\n)+\n", COMMANDS)
        assert len(commands) == 3
        for number, command in enumerate(commands):
            if number == moment:
                write()
            run(command, bucket, tmp_path)
        assert calls_in(bucket) in ((3, 3), (6, 6))
        if moment == 3:
            write()
        run(COMMANDS, bucket, tmp_path)
        assert calls_in(bucket) == (6, 6)


def writer(ingest: Ingest) -> Callable[[], None]:
    """Stores three more calls each time."""
    seeds = iter(range(100))

    def write() -> None:
        for _ in range(3):
            request = samples.spans(samples.CHAT, seed=next(seeds))
            ingest.accept(TRACES, request.SerializeToString()).result(10)
        ingest.flush()

    return write
