"""A real Kafka of one node, as a process."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.stack.parts import free_port
from tools.compose import kafka

_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"


class Kafka:
    """A broker that is its own controller.

    Args:
        folder: Where its files go.
        partitions: How many a topic gets that is made by its first message.

    Attributes:
        address: `host:port` for its clients.
    """

    def __init__(self, folder: Path, partitions: int = 4) -> None:
        folder.mkdir()
        port, controller = free_port(), free_port()
        self.address = f"127.0.0.1:{port}"
        self.log = folder / "kafka.log"
        self._folder = folder
        settings = {
            "node.id": 1,
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "num.partitions": partitions,
            "log.dirs": folder / "data",
        }
        self._properties = folder / "server.properties"
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        self._run("kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c").wait(60)
        self.start()

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        program = kafka.java() / "bin" / "java"
        with self.log.open("ab") as out:
            return subprocess.Popen(
                [program, "-Xmx384m", "-cp", f"{kafka.jars()}/*", *arguments, self._properties],
                cwd=self._folder,
                stdout=out,
                stderr=out,
            )

    def start(self) -> None:
        """Start it (again), and wait until it listens."""
        self.process = self._run("kafka.Kafka")
        host, port = self.address.split(":")
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.05)
        self.kill()
        pytest.fail(f"Kafka does not start:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def size(self, topic: str) -> int:
        """What a topic has on the disk, bytes."""
        return sum(path.stat().st_size for path in self._folder.glob(f"data/{topic}-*/*.log"))

    def __enter__(self) -> Kafka:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
