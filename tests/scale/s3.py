"""SeaweedFS as an S3 server, and the command line that the documentation uses."""

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
# In an environment of its own: what it wants is older than what we do.
_AWS = "awscli==1.46.2"


@contextmanager
def buckets(folder: Path) -> Iterator[str]:
    """The address of an S3 server that takes any key."""
    data = folder / "s3"
    data.mkdir()
    servers = ("master", "volume", "filer", "s3")
    ports = {f"{server}.port{kind}": free_port() for server in servers for kind in ("", ".grpc")}
    url = f"http://127.0.0.1:{ports['s3.port']}"
    options = [
        *(f"-{name}={port}" for name, port in ports.items()),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        # small volumes, of which there may be many
        *("-master.volumeSizeLimitMB=64", "-volume.max=64"),
        "-master.telemetry=false",
    ]
    server = Part(
        "weed",
        ["server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", *options],
        ready=f"{url}/status",
        log=folder / "s3.log",
    )
    with server:
        yield url
        server.kill()  # it would take its time, for data that nobody wants


def aws(url: str) -> Mapping[str, str]:
    """Variables with which `aws` is there and talks to that server."""
    path = f"{_programs(_AWS)}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **KEYS, "AWS_ENDPOINT_URL": url, "NO_PROXY": "127.0.0.1", "PATH": path}


def _programs(package: str) -> Path:
    """The programs of a package; installed once."""
    folder = CACHE.parent / package
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", package]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return folder / "bin"
