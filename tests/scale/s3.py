"""An S3 server as a process, and the command line that the documentation uses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from stack.parts import free_port

from benchmarks.stack import settled
from tests.stack.parts import fetch
from tools.binaries.build import CACHE

KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
# Each in an environment of its own: what they want is older than what we do.
_AWS = "awscli==1.46.2"
_SERVER = "moto[server,s3]==5.2.5"


@contextmanager
def buckets(folder: Path) -> Iterator[str]:
    """The address of an S3 server that takes any key."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [_programs(_SERVER) / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "s3.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **KEYS})
    try:
        if not settled(lambda: float(_answers(url)), 1.0):
            pytest.fail(f"no S3: {(folder / 's3.log').read_text()[-2000:]}")
        yield url
    finally:
        process.kill()
        process.wait()


def aws(url: str) -> Mapping[str, str]:
    """Variables with which `aws` is there and talks to that server."""
    path = f"{_programs(_AWS)}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **KEYS, "AWS_ENDPOINT_URL": url, "NO_PROXY": "127.0.0.1", "PATH": path}


def _programs(package: str) -> Path:
    """The programs of a package; installed once."""
    folder = CACHE.parent / package.replace("[server,s3]", "")
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", package]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return folder / "bin"


def _answers(url: str) -> bool:
    try:
        fetch(f"{url}/moto-api/")
    except OSError:
        return False
    return True
