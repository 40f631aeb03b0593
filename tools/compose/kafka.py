"""Apache Kafka for the tests: its jars from Maven Central, its Java from Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.binaries.build import CACHE, Unavailable
from tools.compose import rootfs
from tools.compose.engine import install

VERSION = "4.1.1"
IMAGE = f"apache/kafka:{VERSION}"
_LEFT_OUT = {"jmods", "legal", "man", "include", "demo"}
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>llm-otel.test</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def root(_image: str) -> bytes:
    """A tar archive with Kafka in /opt/kafka/libs and a Java in /opt/java.

    Raises:
        Unavailable: One of them can neither be found nor fetched.
    """
    home = java()
    archive = rootfs.Root()
    archive.busybox()
    for path in _files(home):
        mode = 0o755 if os.access(path, os.X_OK) else 0o644
        archive.file(f"opt/java/{path.relative_to(home)}", path.read_bytes(), mode)
    shared = [home / "bin" / "java", *home.glob("lib/*.so"), *home.glob("lib/server/*.so")]
    archive.libraries(shared)
    for jar in sorted(jars().glob("*.jar")):
        archive.file(f"opt/kafka/libs/{jar.name}", jar.read_bytes())
    return archive.content()


def java() -> Path:
    """The home of a Java; installed where Debian's packages can be."""
    if shutil.which("java") is None:
        install("default-jre-headless")
    program = shutil.which("java")
    if program is None:
        raise Unavailable("there is no Java for Kafka: apt-get install default-jre-headless.")
    return Path(program).resolve().parents[1]


def _files(home: Path) -> list[Path]:
    found = []
    for folder, names, files in os.walk(home):
        names[:] = sorted(set(names) - _LEFT_OUT)
        found += [Path(folder) / each for each in sorted(files) if each != "src.zip"]
    return [path for path in found if path.is_file()]


def jars() -> Path:
    """The folder of the jars; fetched once."""
    folder = CACHE.parent / f"kafka-{VERSION}"
    if folder.exists():
        return folder
    if shutil.which("mvn") is None:
        install("maven")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".kafka-") as half:
        (Path(half) / "pom.xml").write_text(_POM)
        copy = ["-DincludeScope=runtime", f"-DoutputDirectory={half}/jars"]
        done = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", "dependency:copy-dependencies", *copy],
            check=False,
            cwd=half,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stdout.strip().splitlines() or ["no reason given"])[-1]
            raise Unavailable(f"Maven does not fetch Kafka {VERSION}: {last}")
        (Path(half) / "jars").rename(folder)
    return folder
