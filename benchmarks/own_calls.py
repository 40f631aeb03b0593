"""What `llm_otel.call()` and `cached()` cost, beside a bare span and beside the floor.

    python benchmarks/own_calls.py

No client and no transport: the block is empty. The three subjects take turns in one process, in an
order drawn anew each time; a ratio is taken turn by turn, and the median is shown.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from statistics import median
from time import process_time

_TURNS, _TIMES = 60, 400


def _subjects() -> dict[str, Callable[[], object]]:
    import subjects
    from opentelemetry import trace

    import llm_otel

    subjects.SUBJECTS["ours"].prepare()
    tracer, floor = trace.get_tracer("bare"), subjects.Floor()

    def bare() -> None:
        with tracer.start_as_current_span("chat gpt-4o"):
            pass

    def own() -> None:
        with llm_otel.call("gpt-4o", provider="openai") as call:
            call.set_usage(190, 22)

    def cached() -> None:
        with llm_otel.cached("gpt-4o", provider="openai", input_tokens=190, output_tokens=22):
            pass

    return {
        "a bare span": bare,
        "floor": lambda: floor.run(lambda: None),
        "call()": own,
        "cached()": cached,
    }


def main() -> None:
    """Measure and print a table."""
    measured = _subjects()
    times: dict[str, list[float]] = {name: [] for name in measured}
    order = random.Random(1)
    gc.collect()
    gc.freeze()
    for turn in range(_TURNS + 1):
        for name in order.sample(list(measured), len(measured)):
            began = process_time()
            for _ in range(_TIMES):
                measured[name]()
            if turn:  # the first is for the caches
                times[name].append((process_time() - began) / _TIMES * 1e6)
    for name, each in times.items():
        ratios = [
            median(mine / theirs for mine, theirs in zip(each, times[base]))
            for base in ("a bare span", "floor")
        ]
        print(f"| {name} | {median(each):.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")


if __name__ == "__main__":
    main()
