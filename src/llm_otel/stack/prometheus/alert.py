"""What an alert is, and the Prometheus rules that it becomes: one for each of its levels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from llm_otel.semconv import MODEL
from llm_otel.stack.config import Config
from llm_otel.stack.limits import LEVELS, Limits
from llm_otel.stack.panels import Panel


class Condition(NamedTuple):
    """What an alert looks at.

    Attributes:
        value: PromQL of the value that is compared with the levels.
        guards: PromQL with the same labels; each must have a sample for the value to count.
    """

    value: str
    guards: tuple[str, ...] = ()


class Money(NamedTuple):
    """What an alert's value is in USD, looked up when its texts are written.

    Attributes:
        expr: PromQL of one series; its labels are matched by name, or where `{labels}` stands.
        by: The labels of the alert that the series has.
        is_unit: The value is a multiple of the series, as is a level; else the series is what was
            spent.
    """

    expr: str
    by: Sequence[str]
    is_unit: bool = True

    def template(self, factor: str, before: str, after: str, otherwise: str) -> str:
        """A template of the amount between two texts, or of another text where there is none."""
        matchers = ",".join(f"{label}=%q" for label in self.by)
        selector = f"{{{matchers}}}"
        query = (
            self.expr.replace("{labels}", selector)
            if "{labels}" in self.expr
            else self.expr + selector
        )
        arguments = " ".join(f"$labels.{label}" for label in self.by)
        if self.is_unit:
            query, arguments = f"{query} * %f", f"{arguments} {factor}"
        amount = '{{ . | first | value | printf "$%.2f" }}'
        return (
            f"{{{{ with printf `{query}` {arguments} | query }}}}{before}{amount}{after}"
            f"{{{{ else }}}}{otherwise}{{{{ end }}}}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert: the rules, the recorded windows, the lines in its panel and the docs follow.

    In its texts `{label}` is a label's value, and `[is|was]` a verb while it fires and afterwards.

    Attributes:
        key: Its key in the section `alerts:` of `llm-otel.yaml`.
        name: Its name in Prometheus, and the heading of its section in the runbook.
        component: llm, cost, quality or telemetry.
        panel: The panel that shows the value.
        limits: When it fires, unless the file says otherwise.
        summary: One line; `{value}` is the value, as a person writes it, and `{usd}` the amount and
            a comma, where there is `money`.
        description: A sentence or two; `{window}`, `{minimum}`, `{history}` as in the limits.
        condition: Makes the PromQL.
        below: It fires below its levels, not above.
        shows_levels: Its levels are lines in its panel, which shows the value in the same unit.
        labels: More labels, to tell alerts of one name apart.
        money: What the value is in USD.
    """

    key: str
    name: str
    component: str
    panel: Panel
    limits: Limits
    summary: str
    description: str
    condition: Callable[[Config, Limits], Condition]
    below: bool = False
    shows_levels: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    money: Money | None = None

    @property
    def anchor(self) -> str:
        """Where its section in the runbook is."""
        return self.name.lower()

    def limits_in(self, config: Config) -> Limits | None:
        """When it fires with a configuration; None: it is off."""
        return config.alerts.get(self.key, self.limits)

    def window_in(self, config: Config) -> str:
        """The time that it looks at, and its panel with it; the default's where it is off."""
        return str((self.limits_in(config) or self.limits).window)


_VERB: Final = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
# How Prometheus writes a value of each unit; others are numbers with the unit's name.
_VALUES: Final = {
    "s": "{{ $value | humanizeDuration }}",
    "share": "{{ $value | humanizePercentage }}",
    "times": '{{ $value | printf "%.1f" }}×',
}


def shown(level: float, unit: str) -> str:
    """A level as a person writes it."""
    if unit == "share":
        return f"{level * 100:g}%"
    if unit == "times":
        return f"{level:g}×"
    if unit != "s":
        return f"{level:,.15g} {unit}"
    for seconds, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if level and level % seconds == 0:
            return f"{level / seconds:g}{name}"
    return f"{level:g}s"


def rules(alert: Alert, config: Config) -> list[dict[str, Any]]:
    """The rules of an alert, the worst last; none where it is switched off."""
    limits = alert.limits_in(config)
    if limits is None:
        return []
    condition = alert.condition(config, limits)
    levels = []
    for severity in LEVELS:
        expression = _expression(condition, limits, severity, alert.below)
        if expression:
            levels.append(_rule(alert, config, limits, severity, expression))
    return levels


def _rule(
    alert: Alert, config: Config, limits: Limits, severity: str, expression: str
) -> dict[str, Any]:
    value = _VALUES.get(limits.unit, f'{{{{ $value | printf "%.0f" }}}} {limits.unit}')
    threshold = _threshold(limits, severity)
    value_text, threshold_text = _with_money(alert.money, value, threshold, limits.level(severity))
    texts = _Labels(
        value=value,
        threshold=threshold,
        usd=alert.money.template("$value", "", ", ", "") if alert.money else "",
        window=limits.window,
        history=limits.history,
        minimum=shown(limits.minimum, limits.minimum_unit) if limits.minimum is not None else "",
    )
    bound = "below" if alert.below else "above"
    rule = {
        "alert": alert.name,
        "expr": expression,
        "for": limits.for_,
        "keep_firing_for": limits.keep_firing_for,
        "labels": {"severity": severity, "component": alert.component, **alert.labels},
        "annotations": {
            "summary": _tense(alert.summary, 0).format_map(texts),
            "resolved": _tense(alert.summary, 1).format_map(texts),
            "description": f"{alert.description.format_map(texts)} "
            f"The value is {value_text}; {severity} is {bound} {threshold_text}.",
            "value": value_text,
            "threshold": threshold_text,
            "runbook_url": f"{config.runbook_url}#{alert.anchor}",
            "dashboard_url": f"{config.grafana_url}/d/{alert.panel.dashboard}",
            "panel_id": str(alert.panel.id),
        },
    }
    return {key: value for key, value in rule.items() if value != "0s"}


def _with_money(
    money: Money | None, value: str, threshold: str, level: float | None
) -> tuple[str, str]:
    """The value and the level with their amounts, where they have some."""
    if money is None:
        return value, threshold
    value_text = money.template("$value", "", f" ({value})", value)
    if not money.is_unit or level is None:
        return value_text, threshold
    return value_text, money.template(f"{level:.10f}", "", f" ({threshold})", threshold)


def _tense(text: str, number: int) -> str:
    """A text with each `[is|was]` in one tense: 0 is the present."""
    return _VERB.sub(lambda match: match[1].split("|")[number], text)


class _Labels(dict[str, Any]):
    """What a text may name: what is given, and every label."""

    def __missing__(self, label: str) -> str:
        return f"{{{{ $labels.{label} }}}}"


def _expression(condition: Condition, limits: Limits, severity: str, below: bool) -> str:
    sign = "<" if below else ">"
    value = condition.value if "\n" not in condition.value else f"(\n{condition.value}\n)"
    parts = []
    general = limits.level(severity)
    if general is not None:
        others = ",".join(f'{MODEL}!="{model}"' for model in limits.models or ())
        parts.append(f"{value}{{{others}}}" if others else value)
        parts[-1] += f" {sign} {general:.15g}"
    for model in limits.models or ():
        own = limits.level(severity, model)
        if own is not None:
            parts.append(f'{value}{{{MODEL}="{model}"}} {sign} {own:.15g}')
    if not parts:
        return ""
    fires = parts[0] if len(parts) == 1 else "(" + "\nor\n".join(parts) + ")"
    return "\nand ".join((fires, *condition.guards))


def _threshold(limits: Limits, severity: str) -> str:
    """The level as text; a template that asks for the model where models have their own."""
    cases = [
        f'if eq $labels.{MODEL} "{model}" }}}}{shown(own, limits.unit)}'
        for model in limits.models or ()
        if (own := limits.level(severity, model)) is not None
    ]
    general = limits.level(severity)
    last = "" if general is None else shown(general, limits.unit)
    if not cases:
        return last
    return "{{ " + "{{ else ".join(cases) + f"{{{{ else }}}}{last}{{{{ end }}}}"
