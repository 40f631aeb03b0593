"""The documentation as a site."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docs.markdown import DOCS, ROOT


def test_the_site_is_built_without_a_dead_link_or_another_host(tmp_path: Path) -> None:
    """`make docs`: strict, every page is in it, and a browser fetches nothing from elsewhere."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert {page.stem for page in DOCS} <= {page.stem for page in tmp_path.glob("*.html")}
    for file in (*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")):
        text = file.read_text(encoding="utf-8")
        fetched = re.findall(r"""(?:src=|url\(|@import\s)["']?((?:https?:)?//[^"')\s]+)""", text)
        fetched += re.findall(r'<link[^>]+href="((?:https?:)?//[^"]+)', text)
        assert not fetched, file
    assert 'id="llmlatencyhigh"' in (tmp_path / "alerts.html").read_text(encoding="utf-8")
