"""How many tokens calls used, many at once: `foreign.usage` by columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llm_otel.foreign.usage import BESIDE, GENERATING, INPUT_ONLY, THINKING_IN_TOTAL
from llm_otel.lake.decode.attributes import Mask


@dataclass(frozen=True)
class Sender:
    """What decides how the counts of calls add up.

    Attributes:
        total: The sum of all tokens.
        operation: As of today.
        provider: As of today.
        unchanged: Whether the sender passed on the names of Anthropic's usage.
    """

    total: pa.Array
    operation: pa.Array
    provider: pa.Array
    unchanged: Mask


def whole_usage(counts: Sequence[pa.Array], sender: Sender) -> list[pa.Array]:
    """The counts of `USAGE` of many calls, cached tokens inside the input and reasoning inside the
    output."""
    known = [column.is_valid().to_numpy(False) for column in (*counts[:2], sender.total)]
    has_input, has_output, has_total = known
    numbers = [column.fill_null(0).to_numpy(False) for column in (*counts, sender.total)]
    inputs, outputs, read, written, reasoning, total = numbers
    # Thoughts beside the output, as Gemini and xAI count them.
    outputs = outputs + np.where(has_output & (reasoning > outputs), reasoning, 0)
    # Cached tokens beside the input: there are more of them, or the total needs them, or the
    # sender passed on what such a provider counts.
    cached = read + written
    rest = total - inputs - outputs
    fits = (rest == 0) | (rest == read) | (rest == written) | (rest == cached)
    fits &= has_total & has_output
    passed_on = sender.unchanged & _is_in(sender.provider, BESIDE)
    beside = np.select([cached > inputs, fits, passed_on], [cached, rest, cached], 0)
    inputs = inputs + np.where(has_input & (cached > 0), beside, 0)
    alone = has_total & ~has_input & ~has_output & _is_in(sender.operation, INPUT_ONLY)
    inputs = np.where(alone, total, inputs)
    both = has_total & has_input & has_output & _is_in(sender.provider, THINKING_IN_TOTAL)
    outputs = outputs + np.where(both, np.maximum(total - inputs - outputs, 0), 0)
    return [
        pa.array(inputs, mask=~(has_input | alone)),
        pa.array(outputs, mask=~has_output),
        *counts[2:],
    ]


def _is_in(words: pa.Array, some: Iterable[str]) -> Mask:
    mask: Mask = pc.is_in(words, pa.array(sorted(some))).to_numpy(False)
    return mask


def is_partial(inputs: pa.Array, outputs: pa.Array, operation: pa.Array) -> pa.Array:
    """Whether one of input and output is known and the other one, which is billed too, is not."""
    generating = pc.is_in(operation, pa.array(GENERATING))
    no_input, no_output = inputs.is_null(), outputs.is_null()
    return pc.if_else(no_input, pc.invert(no_output), pc.and_(no_output, generating))
