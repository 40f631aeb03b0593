"""Rows on a terminal, in a file or a pipe, without holding them all."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias

import rich_click as click

from llm_otel.escaping import visible, visible_lines

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

FORMATS: Final = ("csv", "json", "jsonl", "parquet")

# How a text is written: as it is, or as a terminal may have it.
_Show: TypeAlias = Callable[[str], str]
_BATCH: Final = 50_000
_SHOWN: Final = 1_000


@contextmanager
def wrong_queries(condition: str | None = None) -> Iterator[None]:
    """A query that DuckDB refuses ends the command with DuckDB's reason, in one line.

    Args:
        condition: What of the query is the user's, where that is not all of it.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as exc:
        reason = str(exc).strip().splitlines()[0]
        of = "The query" if condition is None else f"--where {condition!r}"
        raise click.ClickException(f"{of} cannot be answered: {visible(reason)}") from None
    except BrokenPipeError:
        # `| head` has seen enough; Python would complain again when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def table(answer: duckdb.DuckDBPyRelation) -> None:
    """Show rows on the terminal, the first thousand of them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    view = Table(box=None, header_style="bold", pad_edge=False)
    numeric = [_is_number(str(kind)) for kind in answer.types]
    for name, right in zip(answer.columns, numeric):
        view.add_column(Text(visible(name)), justify="right" if right else "left", overflow="fold")
    rows = answer.limit(_SHOWN + 1).fetchall()
    for row in rows[:_SHOWN]:
        view.add_row(*(Text("–" if cell is None else visible(_text(cell))) for cell in row))
    console = Console()
    console.print(view)
    if len(rows) > _SHOWN:
        console.print(f"The first {_SHOWN:,} rows; --format csv gives all.", style="dim")


def write(answer: duckdb.DuckDBPyRelation, form: str, into: Path | None) -> None:
    """Write rows to a file (whole or not at all) or to standard output, batch by batch.

    A file and a pipe get the data as they are, a terminal no control character of theirs.

    Raises:
        OSError: It cannot be written.
    """
    if into is None and form == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: give --output, or a pipe.")
    batches = _begun(answer.fetch_arrow_reader(_BATCH))
    writer = _WRITERS[form]
    if into is None:
        writer(batches, sys.stdout.buffer, visible if sys.stdout.isatty() else _as_is)
        sys.stdout.buffer.flush()
        return
    with _whole(into) as out:
        writer(batches, out, _as_is)


def _begun(batches: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same rows, the first of them read: what fails then fails before anything is written."""
    import pyarrow as pa

    first = next(iter(batches), None)
    if first is None:
        return pa.RecordBatchReader.from_batches(batches.schema, [])
    return pa.RecordBatchReader.from_batches(batches.schema, itertools.chain([first], batches))


def echo(text: str, *, newline: bool = True) -> None:
    """Print a whole text; on a terminal, without the control characters of what it quotes."""
    click.echo(visible_lines(text) if sys.stdout.isatty() else text, nl=newline)


def _as_is(text: str) -> str:
    return text


def write_text(text: str, into: Path) -> None:
    """Write a file, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    with _whole(into) as out:
        out.write(text.encode())


@contextmanager
def _whole(into: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `into` when the block ends well."""
    if not into.parent.is_dir():
        raise click.ClickException(f"{into} cannot be written: there is no folder {into.parent}.")
    half = into.with_name(f".{into.name}.part")
    try:
        with half.open("wb") as out:
            yield out
        half.replace(into)
    finally:
        half.unlink(missing_ok=True)


def _write_csv(batches: pa.RecordBatchReader, out: BinaryIO, show: _Show) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(map(show, batches.schema.names))
    for row in _rows(batches):
        cells = ["" if cell is None else _cell(cell) for cell in row]
        writer.writerow([show(cell) if isinstance(cell, str) else cell for cell in cells])
    text.detach()


def _write_jsonl(batches: pa.RecordBatchReader, out: BinaryIO, show: _Show) -> None:
    for row in _objects(batches, show):
        out.write(row + b"\n")


def _write_json(batches: pa.RecordBatchReader, out: BinaryIO, show: _Show) -> None:
    separator = b"[\n"
    for row in _objects(batches, show):
        out.write(separator + row)
        separator = b",\n"
    out.write(b"\n]\n" if separator == b",\n" else b"[]\n")


def _write_parquet(batches: pa.RecordBatchReader, out: BinaryIO, _: _Show) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetWriter(out, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


_WRITERS: Final[dict[str, Callable[[Any, BinaryIO, _Show], None]]] = {
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    """By place, not by name: a join may have two columns of one name."""
    for batch in batches:
        yield from zip(*(column.to_pylist(maps_as_pydicts="lossy") for column in batch.columns))


def _objects(batches: pa.RecordBatchReader, show: _Show) -> Iterator[bytes]:
    """Rows as JSON objects; of columns of one name, the later are numbered, as `name_1`.

    `show` leaves JSON the same JSON: what it escapes stands in strings alone.
    """
    names: list[str] = []
    for name in batches.schema.names:
        names.append(f"{name}_{names.count(name)}" if name in names else name)
    for row in _rows(batches):
        record = dict(zip(names, map(_jsonable, row)))
        text = json.dumps(record, ensure_ascii=False, default=_text)
        yield show(text).encode("utf-8", "replace")


def _jsonable(value: Any) -> Any:
    """Sums of integers are numbers as others are; what is no number in JSON is null."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cell(value: Any) -> Any:
    """One cell of CSV: lists and maps as JSON; what a spreadsheet would run stays text."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=_text)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return _text(value) if isinstance(value, (date, datetime)) else value


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _is_number(kind: str) -> bool:
    return kind.startswith(("DOUBLE", "DECIMAL", "FLOAT")) or "INT" in kind
