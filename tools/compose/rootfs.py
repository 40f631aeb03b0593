"""Root file systems for stand-ins: busybox alone, and with a Python of this machine beside it."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.binaries.build import Unavailable

# The oldest minor version that deploy/requirements.txt has packages for.
OLDEST = (3, 12)
_LEFT_OUT = {"test", "site-packages", "idlelib", "turtledemo", "tkinter", "lib2to3"}
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# Needed by packages with C++ in them, and by name look-ups.
_MORE_LIBRARIES = (
    "libstdc++.so.6", "libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2",
    "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6",
)  # fmt: skip


class Root:
    """A tar archive of files that belong to root."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._bytes, mode="w")

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a file."""
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(content), mode
        self._tar.addfile(entry, io.BytesIO(content))

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Add an empty folder."""
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(entry)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        entry = tarfile.TarInfo(path)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def busybox(self) -> None:
        """Add one static program under all its names, and the folders and users of any image."""
        program = shutil.which("busybox")
        if program is None:
            raise Unavailable("there is no busybox: apt-get install busybox-static.")
        self.file("bin/busybox", Path(program).read_bytes(), 0o755)
        names = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
        for name in names.stdout.split():
            if name != "busybox":
                self.link(f"bin/{name}", "busybox")
        self.link("usr/bin/env", "/bin/busybox")
        self.folder("tmp", 0o1777)
        for name in ("etc", "home", "var", "var/lib"):
            self.folder(name)
        self.folder("root", 0o700)
        self.file(
            "etc/passwd",
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n",
        )
        self.file("etc/group", b"root:x:0:\nnobody:x:65534:\n")

    def libraries(self, programs: Iterable[Path]) -> None:
        """Add the shared libraries that programs of this machine load, where they look for them."""
        paths: dict[str, Path] = {}
        where = ""
        for program in programs:
            ldd = subprocess.run(["ldd", program], check=False, capture_output=True, text=True)
            for name, path in re.findall(r"^\s+(?:(\S+) => )?(/\S+) \(", ldd.stdout, re.MULTILINE):
                paths[name or path] = Path(path).resolve()
                if name.startswith("libc.so"):
                    where = str(Path(path).parent)
        for name in _MORE_LIBRARIES:
            if (Path(where) / name).exists():
                paths.setdefault(name, (Path(where) / name).resolve())
        for name, path in paths.items():
            inside = name if name.startswith("/") else f"{where}/{name}"
            self.file(inside.lstrip("/"), path.read_bytes(), 0o755)

    def content(self) -> bytes:
        """The archive; nothing can be added after it."""
        self._tar.close()
        return self._bytes.getvalue()


def busybox() -> bytes:
    """A tar archive as the image `busybox` has it: one static program under all its names."""
    root = Root()
    root.busybox()
    return root.content()


def python(image: str) -> bytes:
    """A tar archive with a Python of this machine in /usr/local, and the libraries that it needs.

    Args:
        image: `python:3.13.12-…`: that minor version is taken where the machine has it.

    Raises:
        Unavailable: There is no Python that is new enough.
    """
    wanted = re.search(r":(\d+)\.(\d+)", image)
    prefix, version = _interpreter((int(wanted[1]), int(wanted[2])) if wanted else OLDEST)
    root = Root()
    root.busybox()
    library = prefix / "lib" / f"python{version}"
    program = prefix / "bin" / f"python{version}"
    root.file(f"usr/local/bin/python{version}", program.read_bytes(), 0o755)
    for name in ("python3", "python"):
        root.link(f"usr/local/bin/{name}", f"python{version}")
    for path in _tree(library):
        root.file(f"usr/local/lib/python{version}/{path.relative_to(library)}", path.read_bytes())
    root.libraries([program, *library.glob("lib-dynload/*.so")])
    zones = Path("/usr/share/zoneinfo")
    for path in sorted(each for each in zones.rglob("*") if each.is_file()):
        root.file(str(path).lstrip("/"), path.read_bytes())
    if _BUNDLE.exists():
        root.file("etc/ssl/certs/ca-certificates.crt", _BUNDLE.read_bytes())
        root.link("usr/lib/ssl/cert.pem", str(_BUNDLE))
        root.file("etc/pip.conf", f"[global]\ncert = {_BUNDLE}\n".encode())
    return root.content()


def _interpreter(wanted: tuple[int, int]) -> tuple[Path, str]:
    """The prefix and the version of a Python: of the wanted minor version, else of another."""
    ask = "import sys; print(sys.base_prefix, *sys.version_info[:2])"
    found: dict[tuple[int, int], Path] = {}
    for program in _candidates():
        done = subprocess.run([program, "-c", ask], check=False, capture_output=True, text=True)
        words = done.stdout.rsplit(maxsplit=2)
        if done.returncode == 0 and len(words) == 3:
            version = (int(words[1]), int(words[2]))
            prefix = Path(words[0])
            if (prefix / "bin" / f"python{version[0]}.{version[1]}").exists():
                found.setdefault(version, prefix)
    usable = sorted((each for each in found if each >= OLDEST), key=lambda each: each != wanted)
    if not usable:
        raise Unavailable(
            f"no registry answers for the Python image, and this machine has no Python "
            f"{OLDEST[0]}.{OLDEST[1]} or newer to stand in for it."
        )
    return found[usable[0]], f"{usable[0][0]}.{usable[0][1]}"


def _candidates() -> Iterator[str]:
    yield sys.executable
    for minor in (13, 14, 12):
        found = shutil.which(f"python3.{minor}")
        if found:
            yield found
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(versions.glob("*/bin/python3"), reverse=True))


def _tree(library: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(library):
        names[:] = sorted(set(names) - _LEFT_OUT)
        yield from (Path(folder) / each for each in sorted(files))
