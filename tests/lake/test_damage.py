"""A damaged file of a lake costs itself alone; it is named, kept, and set aside on demand."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from lake import samples
from lake.test_ingest import count
from serving import serving

import llm_otel.lake
from llm_otel.dashboard import pages
from llm_otel.dashboard.site import Site
from llm_otel.lake import checking
from llm_otel.lake.decode import METRICS, TRACES
from llm_otel.lake.ingest import Ingest, Limits
from llm_otel.lake.segment import read

DAY_NS = 86_400 * 10**9
START = samples.NOW - 10**9


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command of `llm-otel`."""
    command = [sys.executable, "-m", "llm_otel", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def spans(seed: int, days_ago: int = 0) -> bytes:
    """Ten calls."""
    at = samples.NOW - days_ago * DAY_NS
    return samples.spans(*[samples.CHAT] * 10, seed=seed, time_ns=at).SerializeToString()


def counted(value: float, at: int) -> bytes:
    """A counter that stands at `value`."""
    return samples.counter(value, time_ns=samples.NOW + at, start_ns=START).SerializeToString()


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of three days with ten calls each, today's stored twice as many, and metrics."""
    path = tmp_path_factory.mktemp("pristine") / "lake"
    with Ingest(path) as ingest:
        for seed, days_ago in enumerate((2, 1, 0, 0)):
            ingest.accept(TRACES, spans(seed, days_ago)).result(10)
            ingest.accept(METRICS, counted(seed + 1.0, seed)).result(10)
            ingest.flush()
    return path


@pytest.fixture
def lake(pristine: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(pristine, tmp_path / "lake"))


def entry(lake: Path, version: int, table: str = "spans") -> Path:
    """An entry of a table's log."""
    return lake / table / "_delta_log" / f"{version:020}.json"


def flipped(path: Path, at: float = 0.5, length: int = 1) -> None:
    """Flip a bit of some bytes in the middle of a file."""
    data = bytearray(path.read_bytes())
    place = int(len(data) * at)
    for index in range(place, min(place + length, len(data))):
        data[index] ^= 0x10
    path.write_bytes(data)


def by_day(path: Path) -> dict[int, int]:
    """How many calls each day has, by its distance to the newest."""
    query = "SELECT day, count(*) FROM calls GROUP BY day ORDER BY day DESC"
    rows = llm_otel.lake.open(path).sql(query).fetchall()
    return {(TODAY - day).days: number for day, number in rows}


TODAY = datetime.fromtimestamp(samples.NOW / 1e9, timezone.utc).date()


ENTRIES: dict[str, Callable[[Path], object]] = {
    "zeros": lambda file: file.write_bytes(bytes(500)),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:230]),
    "cut at a line": lambda file: file.write_bytes(file.read_bytes().splitlines(True)[0]),
    "another word": lambda file: file.write_bytes(file.read_bytes().replace(b'"add"', b'"ade"')),
    "no text": lambda file: file.write_bytes(b"\xff\xfe" + file.read_bytes()),
    "gone": lambda file: file.unlink(),
}


# An entry that is gone from the end was never there, and the first adds nothing that can be cut.
@pytest.mark.parametrize(
    ("kind", "version"),
    [
        *((kind, 2) for kind in ENTRIES),
        *((kind, 4) for kind in ENTRIES if kind != "gone"),
        *((kind, 0) for kind in ("zeros", "empty", "no text", "gone")),
    ],
)
def test_a_damaged_entry_of_a_tables_log(
    lake: Path, kind: str, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Every row stays readable, in one sentence the file is named; the next start writes it anew,
    and what was stored counts once when it is sent again."""
    ENTRIES[kind](entry(lake, version, "calls"))
    assert by_day(lake) == {0: 20, 1: 10, 2: 10}
    assert count(lake) == 40
    sentences = [each.getMessage() for each in caplog.records if "damaged" in each.getMessage()]
    assert len(sentences) == 1, sentences
    assert f"{version:020}.json" in sentences[0]
    with Ingest(lake) as ingest:
        ingest.accept(TRACES, spans(2)).result(10)
        ingest.accept(TRACES, spans(9)).result(10)
    assert by_day(lake) == {0: 30, 1: 10, 2: 10}
    kept = list((lake / "damaged").rglob("*.json"))
    assert kept, "the old log is kept"
    assert list(checking.check(lake)) == []


def test_a_log_without_its_beginning(lake: Path) -> None:
    """The whole log of a table is lost: its files say what they hold."""
    shutil.rmtree(lake / "spans" / "_delta_log")
    assert (count(lake), by_day(lake)) == (40, {0: 20, 1: 10, 2: 10})
    Ingest(lake).close()
    assert count(lake) == 40


FILES: dict[str, Callable[[Path], object]] = {
    "zeros": lambda file: file.write_bytes(bytes(500)),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-9]),
    "flipped in the data": lambda file: flipped(file, 0.05, 200),
    "flipped in the footer": lambda file: flipped(file, 0.6, 200),
    "gone": lambda file: file.unlink(),
}


def parquet_file(lake: Path, days_ago: int, table: str = "calls") -> Path:
    """A file of a table."""
    return sorted((lake / table).glob("day=*"))[-1 - days_ago].glob("*.parquet").__next__()


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_of_a_day(lake: Path, kind: str) -> None:
    """The other days and tables can be read, by `sql` and `export`; check finds the file, repair
    moves it away."""
    broken = parquet_file(lake, 1)
    FILES[kind](broken)
    query = "SELECT count(*), sum(input_tokens), count(DISTINCT tags::VARCHAR), max(span_id), "\
        "min(time), max(response_id), sum(cost_usd) FROM calls"  # fmt: skip
    done = run("sql", "--lake", lake, query)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith("30,"), done.stdout
    assert done.stderr.count(broken.name) == 1, done.stderr
    assert count(lake) == 40

    found = run("lake", "check", "--lake", lake)
    assert found.returncode == 1
    (line,) = found.stdout.splitlines()
    assert str(broken) in line
    assert broken.name in "".join(checking.repair(lake))
    assert [path.name for path in (lake / "damaged").rglob("*.parquet")] == (
        [] if kind == "gone" else [broken.name]
    )
    assert list(checking.check(lake)) == []
    assert by_day(lake) == {0: 20, 2: 10}


def test_export_leaves_a_damaged_file_out(lake: Path) -> None:
    """The rows of the other days, written once."""
    flipped(parquet_file(lake, 1), 0.05, 2_000)
    done = run("export", "calls", "--lake", lake, "--since", "9d")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 31), done.stderr


def test_a_name_that_is_damaged_in_the_log(lake: Path) -> None:
    """Repair finds the file by its size."""
    damaged = entry(lake, 2, "calls")
    damaged.write_bytes(damaged.read_bytes().replace(b"/part-", b"/pbrt-"))
    assert by_day(lake) == {0: 20, 2: 10}
    assert list(checking.repair(lake))
    assert by_day(lake) == {0: 20, 1: 10, 2: 10}


def test_the_writer_goes_on_beside_a_damaged_file(lake: Path) -> None:
    """What comes is stored, on the damaged day too; nothing is deleted and joining leaves it."""
    from llm_otel.lake.maintenance import KEEP_ALL, Maintenance

    broken = parquet_file(lake, 1, "spans")
    flipped(broken, 0.05, 2_000)
    with Ingest(lake) as ingest:
        for seed in range(20, 24):
            ingest.accept(TRACES, spans(seed, 1)).result(10)
            ingest.flush(20)
        assert ingest.problem() is None
        maintenance = Maintenance(lake, KEEP_ALL)
        maintenance.round(clean=True)
        maintenance.close()
    assert broken.exists()
    assert by_day(lake)[1] == 50


def test_pages_stay_readable(lake: Path) -> None:
    """Every page shows the rest, and none says that the lake could not be read."""
    flipped(parquet_file(lake, 1), 0.05, 2_000)
    flipped(parquet_file(lake, 1, "spans"), 0.05, 2_000)
    entry(lake, 1, "metrics_hourly").write_bytes(b"{")
    site = Site(llm_otel.lake.open(lake))
    for page in pages.PAGES:
        page, context = site.context(page.path, "?range=30d")
        shown = str(site.content(page, context))
        assert "could not be read" not in shown, page.path
        assert "No calls yet" not in shown, page.path


def test_a_damaged_state(lake: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is kept and named; a series goes on from its next point, and nothing counts twice."""
    newest = sorted((lake / "state").glob("*.json"))[-1]
    newest.write_text(newest.read_text().replace("4.0", "0.5"))
    assert [newest.name in line for line in checking.check(lake)] == [True]
    for value, at in ((6.0, 10), (9.0, 11)):
        with Ingest(lake) as ingest:
            ingest.accept(METRICS, counted(value, at)).result(10)
    total = llm_otel.lake.open(lake).sql("SELECT sum(sum) FROM metrics_hourly").fetchall()
    assert total == [(4.0 + 3.0,)]
    sentences = [each.getMessage() for each in caplog.records if newest.name in each.getMessage()]
    assert len(sentences) == 1, sentences
    assert newest.with_suffix(".damaged").exists()


@pytest.mark.parametrize("content", ["", '{"vers', "[]", '{"version": "x"}', '{"created": 1.5}'])
def test_a_damaged_lake_json(lake: Path, content: str) -> None:
    """The tables are read without; the next start writes it anew and keeps the old one."""
    (lake / "lake.json").write_text(content)
    assert by_day(lake) == {0: 20, 1: 10, 2: 10}
    assert len(list(checking.check(lake))) == 1
    Ingest(lake).close()
    assert json.loads((lake / "lake.json").read_text())["created"] > START
    assert (lake / "lake.json.damaged").read_text() == content
    assert list(checking.check(lake)) == []


def segment_of(bodies: list[bytes], folder: Path) -> bytes:
    """The bytes of a segment with these requests."""
    with Ingest(folder, Limits(flush_s=3600)) as ingest:
        for body in bodies:
            ingest.accept(TRACES, body).result(10)
        (path,) = (folder / "log").glob("*.log")
        return path.read_bytes()


def test_a_flipped_bit_costs_one_record(tmp_path: Path) -> None:
    """Wherever it is: the others are read, and the bytes between are kept beside the segment."""
    bodies = [spans(seed) for seed in range(5)]
    whole = segment_of(bodies, tmp_path / "source")
    chance = random.Random(11)
    for round_ in range(40):
        data = bytearray(whole)
        data[at := chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file = tmp_path / f"{round_}.log"
        file.write_bytes(data)
        found = [record.body for record in read(file)]
        assert len(found) == 4, f"byte {at}: {len(found)} of 5 records"
        assert all(body in bodies for body in found)


def test_what_cannot_be_read_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A start with a damaged segment: its neighbours are rows, its bytes are in a file that one
    sentence names."""
    bodies = [spans(seed) for seed in range(3)]
    data = bytearray(segment_of(bodies, tmp_path / "source"))
    size = len(data) // 3
    data[size + size // 2] ^= 4
    path = tmp_path / "lake"
    (path / "log").mkdir(parents=True)
    (path / "log" / f"{7:016}.log").write_bytes(data)
    assert "are no record" in "".join(checking.check(path))
    with Ingest(path) as ingest:
        ingest.flush()
    assert count(path) == 20
    (kept,) = (path / "log").glob("*.damaged")
    assert kept.read_bytes() == data[size : 2 * size]
    sentences = [each.getMessage() for each in caplog.records if kept.name in each.getMessage()]
    assert len(sentences) == 1, sentences


def test_bodies_that_look_like_records_do_not_hold_up_the_start(tmp_path: Path) -> None:
    """A sender chooses what a body holds; behind a torn record it is searched in bounded time."""
    header = (30 << 20).to_bytes(4, "little") + b"\x00\x00\x00\x00\x01"
    file = tmp_path / "0.log"
    file.write_bytes(b"\xff" * 17 + header * ((40 << 20) // len(header)))
    code = "import sys; from pathlib import Path; from llm_otel.lake.segment import read; "\
        "print(len(list(read(Path(sys.argv[1])))))"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "0", done.stderr


def test_serve_starts_and_takes_on_a_damaged_lake(lake: Path) -> None:
    """The process itself, with a damage of every kind at once."""
    from receiver.test_strangers import answer, port_of, whole

    flipped(parquet_file(lake, 1), 0.05, 2_000)
    entry(lake, 1, "spans").write_bytes(b"\x00" * 90)
    sorted((lake / "state").glob("*.json"))[-1].write_bytes(b"[[")
    (lake / "lake.json").write_bytes(b"\x00" * 30)
    (lake / "log" / f"{2:016}.log").write_bytes(b"\x07" * 300)
    with serving(lake, "--no-dashboard") as served:
        assert answer(port_of(served), whole(spans(50))).startswith(b"HTTP/1.1 200")
        assert "everything that was acknowledged is stored" in served.stop()
    assert count(lake) == 50


def test_check_of_a_whole_lake_and_of_none(lake: Path, tmp_path: Path) -> None:
    """Nothing to say, and a sentence without a traceback."""
    done = run("lake", "check", "--lake", lake)
    assert (done.returncode, done.stdout) == (0, "")
    done = run("lake", "repair", "--lake", lake)
    assert (done.returncode, done.stdout) == (0, "")
    done = run("lake", "check", "--lake", tmp_path / "none")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    with Ingest(lake):
        done = run("lake", "repair", "--lake", lake)
        assert (done.returncode, "is being written by process" in done.stderr) == (1, True)
