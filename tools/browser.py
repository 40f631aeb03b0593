"""A browser for the tests: finds Chromium, or installs Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_INSTALL: Final = (
    ("apt-get", "update"),
    ("apt-get", "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation"),
)


class NoBrowserError(RuntimeError):
    """There is no browser, and it could not be installed; the message says what to do."""


def find() -> str:
    """Path of Chromium; installs it with apt-get where it is missing.

    Raises:
        NoBrowserError: It is not there, and apt-get is not either, may not, or failed.
    """
    program = next((path for path in map(shutil.which, _NAMES) if path), None)
    return program or _installed()


def _installed() -> str:
    rootly = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or (rootly and shutil.which("sudo") is None):
        raise NoBrowserError(
            "the browser tests need Chromium, and this machine has no apt-get that may install it: "
            "install chromium by hand"
        )
    for command in _INSTALL:
        ran = subprocess.run([*rootly, *command], capture_output=True, text=True, check=False)
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["no message"])[-1]
            raise NoBrowserError(
                f"the browser tests need Chromium, and {' '.join(command)} failed ({last}): "
                "install chromium by hand"
            )
    path = shutil.which(_NAMES[0])
    if path is None:
        raise NoBrowserError("apt-get installed chromium, but it is not on the PATH")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox needs user namespaces that containers run by root do not give.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    try:
        print(find())
    except NoBrowserError as error:
        sys.exit(f"browser: {error}")
