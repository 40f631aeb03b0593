"""From an empty page to the first call: the program that the page shows turns it live."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from browser.parts import View
from serving import serving

from llm_otel.dashboard.components.snippets import SNIPPETS, program

_PATIENCE_MS = 60_000


@pytest.mark.parametrize("sdk", SNIPPETS)
def test_a_snippet_is_a_program_of_its_sdk(sdk: str) -> None:
    """It can be read by Python, and what it imports is there, under these names."""
    for node in ast.walk(ast.parse(program(sdk))):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            missing = [
                each.name
                for each in node.names
                if not hasattr(module, each.name)
                and not importlib.util.find_spec(f"{node.module}.{each.name}")
            ]
            assert not missing, (node.module, missing)
        elif isinstance(node, ast.Import):
            for each in node.names:
                assert importlib.util.find_spec(each.name), each.name


def test_the_page_turns_live_by_what_it_shows(view: Callable[..., View], tmp_path: Path) -> None:
    """Its address for OTLP is the receiver's own; the program without a key is run as it stands."""
    with serving(tmp_path / "lake") as served:
        page = view(served.dashboard).open("/?sdk=No+key")
        words = page.locator("main").inner_text()
        assert f"OTEL_EXPORTER_OTLP_ENDPOINT={served.http}" in words, words
        code = page.locator("#code-first-call").text_content()
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": served.http}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Nobody touches the page: the refresh finds the call.
        page.wait_for_selector("td:has-text('gpt-5-mini')", timeout=_PATIENCE_MS)
        page.goto("about:blank")  # nothing is asked of a server that has ended
        served.stop()
