"""`python -m tools.binaries`: build what is missing; say where each program is."""

from __future__ import annotations

import sys

from tools.binaries.build import SOURCES, Unavailable, find

for each in (source for source in SOURCES.values() if source.everywhere):
    for program in each.programs:
        try:
            print(f"{program:<15} {each.version:<9} {find(program)}", flush=True)
        except Unavailable as exc:
            sys.exit(f"binaries: {exc}")
