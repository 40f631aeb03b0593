"""What the image takes out of its environment: the services work without it.

The environment is this one, as links: the script takes links away where the image loses files. Only
packages that it changes are linked file by file.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving import ANY_PORTS, Served
from stack.parts import ROOT

from deploy import slim

PACKAGES = Path(sysconfig.get_path("purelib"))
CHANGED = {*(pattern.split("/")[0] for pattern in slim.UNUSED), "deltalake", "numpy"} - {"**"}
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program of an environment that was slimmed."""
    venv = tmp_path_factory.mktemp("slim") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    for path in PACKAGES.iterdir():
        if path.name in CHANGED:
            shutil.copytree(path, packages / path.name, copy_function=_link)
        else:
            _link(path, packages / path.name)
    ran = subprocess.run(
        [sys.executable, ROOT / "deploy" / "slim.py", venv],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert not (packages / "pyarrow" / "include").exists(), ran.stdout
    yield venv / "bin" / "python"
    shutil.rmtree(venv)


def _link(source: str | Path, target: str | Path) -> None:
    Path(target).symlink_to(source)


def run(python: Path, *arguments: str | Path) -> str:
    """What a program of the environment printed."""
    ran = subprocess.run(
        [python, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stderr, ran.stderr
    return ran.stdout


@contextmanager
def serving(python: Path, lake: Path) -> Iterator[Served]:
    """`llm-otel serve` of the environment."""
    command = [python, "-m", "llm_otel", "serve", "--lake", lake, *ANY_PORTS]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Served(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def lake(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine days of history, written in the environment."""
    folder = tmp_path_factory.mktemp("lake") / "lake"
    history = ("--history", "9d", "--calls-per-day", "300")
    run(python, "-m", "llm_otel", "demo", "--headless", *history, "--lake", folder)
    return folder


@pytest.mark.parametrize("pattern", slim.UNUSED)
def test_what_is_taken_out_was_there(pattern: str) -> None:
    """A pattern that matches nothing is out of date: packages change where they put things."""
    if pattern == "setuptools" and not (PACKAGES / pattern).exists():
        pytest.skip("this environment has none")
    assert next(PACKAGES.glob(pattern), None), pattern


def test_a_library_without_symbols_works(tmp_path: Path) -> None:
    """It is loaded as before, and smaller; what is no library stays as it is."""
    shutil.copytree(PACKAGES / "kiwisolver", tmp_path / "kiwisolver")
    (library,) = (tmp_path / "kiwisolver").glob("*.so")
    whole = library.stat().st_size
    slim.strip(library)
    assert library.stat().st_size < whole / 2
    program = "import kiwisolver; v = kiwisolver.Variable('v'); print((2 * v <= 1).op())"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "<=", ran.stderr
    text = tmp_path / "text.so"
    text.write_text("INPUT(libm.so.6)\n" * 10)
    slim.strip(text)
    assert text.read_text() == "INPUT(libm.so.6)\n" * 10


def test_bytecode_is_there_for_what_starts(python: Path) -> None:
    """The container cannot write bytecode, so what `serve` imports comes with it."""
    program = (
        "import sys, llm_otel.serve, llm_otel.dashboard.app, os\n"
        "print([name for name, module in sys.modules.items()\n"
        "  if 'site-packages' in (getattr(module, '__file__', None) or '')\n"
        "  and getattr(module, '__cached__', None) and not os.path.exists(module.__cached__)])"
    )
    assert run(python, "-B", "-c", program).strip() == "[]"


def test_the_sample_application(python: Path, tmp_path: Path) -> None:
    """The sample, its provider, the receiver and the lake work together."""
    arguments = ("--headless", "--fast", "--interactions", "8", "--lake", tmp_path / "lake")
    run(python, "-m", "examples.assistant", *arguments)
    count = "SELECT count(*) AS n FROM calls"
    rows = run(python, "-m", "llm_otel", "sql", count, "--lake", tmp_path / "lake", "--format",
               "csv")  # fmt: skip
    assert int(rows.split()[1]) >= 8


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_exports(form: str, python: Path, lake: Path, tmp_path: Path) -> None:
    """Calls leave the lake in every form."""
    target = tmp_path / "calls"
    run(python, "-m", "llm_otel", "export", "calls", "--since", "9d", "--lake", lake, "--format",
        form, "-o", target)  # fmt: skip
    assert target.stat().st_size > 10_000
    if form == "csv":
        assert len(list(csv.reader(io.StringIO(target.read_text())))) > 1000


def test_a_digest_with_pictures(python: Path, lake: Path, tmp_path: Path) -> None:
    """The page of a digest holds its pictures, drawn in the environment."""
    page = tmp_path / "digest.html"
    run(python, "-m", "llm_otel", "report", "--period", "week", "--lake", lake, "--format", "html",
        "-o", page)  # fmt: skip
    assert page.read_text().count("data:image/png;base64,") == 4, "two, light and dark"


def test_the_dashboard_and_its_scripts(python: Path, lake: Path) -> None:
    """The page, the figures, and each script and style that the page asks for."""
    with serving(python, lake) as served:
        page = _get(served.dashboard + "/").decode()
        assets = re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css)[^"]*)"', page)
        assert len(assets) > 5, page
        for each in assets:
            assert _get(served.dashboard + each), each
        served.stop()


def test_the_notifications_page_and_the_mail_program(python: Path) -> None:
    """What sends digests knows its services, and the page of messages can be imported."""
    program = (
        "import apprise, llm_otel.stack.notifications.server\n"
        "print(len(apprise.Apprise(['mailto://a:b@example.com', 'slack://T1JJ3T3L2/A1BRTD4JD/"
        "TIiajkdnlazkcOXrIdevi7FQ', 'json://example.com'])))"
    )
    assert run(python, "-c", program).strip() == "3"


def _get(url: str) -> bytes:
    with _OPENER.open(url, timeout=60) as answer:
        assert answer.status == 200, url
        found: bytes = answer.read()
    return found
