"""Every number is right, or marked: reported costs, totals, zeros, caches, tools, failures."""

from __future__ import annotations

import pytest

from tests.conformance.usage_cases import differences, load, send, settings


@pytest.mark.parametrize(
    ("case", "way"), [pytest.param(*each, id=f"{each[0]['id']} ({each[1]})") for each in load()]
)
def test_usage(instrumented, case, way):
    """Span and metrics show what the case works out by hand."""
    telemetry = instrumented(**settings(case))
    send(case, way)
    assert not differences(case, telemetry), f"{case['why']}\n{telemetry}"


def test_ids_are_unique():
    """A case is found by its id."""
    ids = [f"{case['id']} ({way})" for case, way in load()]
    assert len(ids) == len(set(ids))
