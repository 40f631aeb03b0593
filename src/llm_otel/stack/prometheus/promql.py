"""The few forms of PromQL that the rules are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from llm_otel.semconv import Metric

# The label that Prometheus makes of the resource attribute `service.name`.
SERVICE: Final = "service_name"
# And of `deployment.environment.name`; a service that says none has no such label.
ENVIRONMENT: Final = "deployment_environment_name"
# What every series of the library has, and every rule keeps: staging is not production.
SOURCE: Final = (SERVICE, ENVIRONMENT)
BY_SOURCE: Final = ", ".join(SOURCE)


def base(metric: Metric) -> str:
    """A metric's part of a recorded name: without unit and suffix."""
    return metric.name.replace(".", "_")


def label(attribute: str) -> str:
    """The label that Prometheus makes of an attribute."""
    return attribute.replace(".", "_")


def matcher(label: str, values: Sequence[str]) -> str:
    """A matcher of plain words, none of which has a meaning in a regular expression."""
    return f'{label}=~"{"|".join(values)}"'


def total(by: Sequence[str], vector: str) -> str:
    """The sum by some labels; by none: of everything."""
    return f"sum by ({', '.join(by)}) ({vector})" if by else f"sum({vector})"


def grown(metric: Metric, window: str, by: Sequence[str], matchers: str = "") -> str:
    """By how much a counter grew, by some labels; `increase` extrapolates to the window's ends."""
    selected = f"{metric.prometheus}{{{matchers}}}" if matchers else metric.prometheus
    return total(by, f"increase({selected}[{window}])")


def observed(metric: Metric, window: str, by: Sequence[str], matchers: str = "") -> str:
    """How often a histogram was recorded to; works for classic and for native histograms."""
    name, selected = metric.prometheus, f"{{{matchers}}}" if matchers else ""
    return either(
        total(by, f"increase({name}_count{selected}[{window}])"),
        total(by, f"histogram_count(increase({name}{selected}[{window}]))"),
    )


def quantile(share: float, metric: Metric, window: str, by: Sequence[str]) -> str:
    """A quantile of a histogram by some labels, as `observed`."""
    name = metric.prometheus
    return either(
        f"histogram_quantile({share}, {total((*by, 'le'), f'rate({name}_bucket[{window}])')})",
        f"histogram_quantile({share}, {total(by, f'rate({name}[{window}])')})",
    )


def union(label: str, vectors: Mapping[str, str]) -> str:
    """Vectors of several metrics side by side, told apart by a label."""
    return "\nor\n".join(
        f'label_replace({vector}, "{label}", "{value}", "", "")'
        for value, vector in vectors.items()
    )


def either(classic: str, native: str) -> str:
    """What a classic histogram says, or a native one."""
    return f"{classic}\nor\n{native}"
