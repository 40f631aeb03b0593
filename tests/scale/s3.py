"""A real S3 server, SeaweedFS, as a process, and the command line that the documentation uses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stack.parts import Part, free_port

from tools.binaries.build import CACHE

KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
_AWS = "awscli==1.46.2"


@contextmanager
def buckets(folder: Path) -> Iterator[str]:
    """The address of an S3 server that takes any key."""
    # each port has one of gRPC beside it, 10,000 above, unless it is said
    names = ("master.port", "volume.port", "filer.port", "s3.port")
    ports = {name: free_port() for name in (*names, *(f"{name}.grpc" for name in names))}
    (folder / "objects").mkdir()
    arguments = [
        "server",
        "-ip=127.0.0.1",
        f"-dir={folder}/objects",
        "-s3",
        "-volume.max=20",
        "-master.volumeSizeLimitMB=64",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    url = f"http://127.0.0.1:{ports['s3.port']}"
    with Part("weed", arguments, ready=f"{url}/healthz", log=folder / "weed.log"):
        yield url


def aws() -> Path:
    """The folder of `aws`, in an environment of its own, as it wants old versions of much."""
    folder = CACHE.parent / _AWS
    if not (folder / "bin" / "aws").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", _AWS]
        subprocess.run(install, check=True)
    return folder / "bin"


def environment(url: str) -> Mapping[str, str]:
    """Variables with which `aws` talks to that server."""
    path = f"{aws()}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **KEYS, "AWS_ENDPOINT_URL": url, "NO_PROXY": "127.0.0.1", "PATH": path}
