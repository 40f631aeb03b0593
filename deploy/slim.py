"""Makes the environment of the image small, when the image is built.

    python deploy/slim.py /opt/llm-otel

Takes out the files of its packages that no service uses, and the symbols of shared libraries that
only a debugger reads; byte-compiles the modules that the services import, not the tens of thousands
beside them (install with `pip --no-compile`).
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

# Below site-packages -> why nothing that runs in the image reads it.
UNUSED: dict[str, str] = {
    "**/tests": "the packages' own tests",
    "**/*.pyi": "types are for editors",
    "**/*.js.map": "source maps are for debuggers",
    "pyarrow/include": "headers, to build other packages",
    "pyarrow/src": "sources, to build other packages",
    "pyarrow/*.p[yx][xdi]": "sources, to build other packages",
    "pyarrow/libarrow_flight.so.*": "Arrow Flight, an RPC protocol, for pyarrow.flight alone",
    "pyarrow/libarrow_python_flight.so*": "likewise",
    "pyarrow/_flight.*": "likewise",
    "pyarrow/libarrow_s3.so.*": "Arrow's access to S3; the lake is a folder",
    "pyarrow/_s3fs.*": "likewise",
    "pyarrow/libarrow_python*.so": "second copies; what is loaded ends in the version, .so.2600",
    "pyarrow/libarrow_python*.so.*.*": "third copies",
    "numpy/_core/_simd.*": "for numpy's own tests",
    "numpy/_core/lib": "libraries, to build other packages",
    "numpy/f2py": "a compiler for Fortran",
    "pygments/lexers/[!_p]*": "colours for source code that no command prints",
    "pygments/lexers/_[!_m]*": "likewise",
    "fontTools/[c-ln-z]*": "matplotlib embeds fonts in PDF with it, and draws with agl.py and misc",
    "fontTools/misc/*.[cs]*": "likewise",
    "contourpy": "matplotlib's contour lines",
    "matplotlib/mpl-data/sample_data": "data for examples",
    "matplotlib/mpl-data/fonts/afm": "fonts of PostScript and PDF",
    "matplotlib/mpl-data/fonts/pdfcorefonts": "fonts of PostScript and PDF",
    "matplotlib/mpl-data/fonts/ttf/DejaVuS[ae][nr][si][MSf]*": "the pictures use DejaVu Sans",
    "matplotlib/mpl-data/fonts/ttf/STIX*": "likewise",
    "matplotlib/mpl-data/fonts/ttf/cm*": "likewise",
    "PIL/_avif.*": "pictures of that format",
    "pillow.libs/libavif-*": "likewise",
    "apprise/i18n/*/LC_MESSAGES/*.po": "sources of translations",
}

# What `llm-otel serve`, `notifications`, `report`, `export` and the sample application import.
IMPORTED = (
    "apprise",
    "examples.assistant.__main__",
    "llm_otel.cli.group",
    "llm_otel.cli.export",
    "llm_otel.cli.lake",
    "llm_otel.cli.notifications",
    "llm_otel.cli.report",
    "llm_otel.cli.serve",
    "llm_otel.cli.sql",
    "llm_otel.dashboard.app",
    "llm_otel.digest.render.html",
    "llm_otel.digest.send",
    "llm_otel.lake.writer",
    "llm_otel.receiver.grpc",
    "llm_otel.receiver.http",
    "llm_otel.serve",
    "llm_otel.stack.notifications.server",
    "matplotlib.backends.backend_agg",
    "openai.resources.chat",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "rich.progress",
    "waitress",
)


def main(environment: Path) -> None:
    """Slim a virtual environment; print how large it was and is."""
    (packages,) = environment.glob("lib/python*/site-packages")
    before = _megabytes(environment)
    for folder in ("share/jupyter", "etc/jupyter"):
        shutil.rmtree(environment / folder, ignore_errors=True)
    for pattern in UNUSED:
        for path in list(packages.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in environment.resolve().rglob("*.so*"):
        # a link may lead to a library that others use
        if path.is_file() and path.resolve() == path:
            strip(path)
    _compile(environment)
    print(f"{environment}: {before:.0f} MB before, {_megabytes(environment):.0f} MB now")


def strip(path: Path) -> None:
    """Cut off what follows the loaded parts of an ELF file: symbols and sections, for debuggers.

    It does what binutils' `strip` does for a library, which the image that builds does not have.
    """
    with path.open("r+b") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
            return
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(table)
        segments = list(struct.iter_unpack("<8xQ16xQ16x", file.read(size * count)))
        file.truncate(max(table + size * count, *(at + length for at, length in segments)))
        # the header points to no sections any more
        file.seek(40)
        file.write(bytes(8))
        file.seek(60)
        file.write(bytes(4))


def _compile(environment: Path) -> None:
    """Import the modules, which leaves their bytecode beside them."""
    variables = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    program = "\n".join(f"import {name}" for name in IMPORTED)
    subprocess.run([environment / "bin" / "python", "-c", program], env=variables, check=True)


def _megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]))
