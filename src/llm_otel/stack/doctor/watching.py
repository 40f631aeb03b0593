"""Whether Prometheus sees every part, evaluates its rules, and reaches Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llm_otel.stack.doctor.endpoints import items
from llm_otel.stack.doctor.result import Result, failed, ok
from llm_otel.stack.doctor.web import Answer, fetch, wait

_AREA: Final = "alerts"


def check(where: Mapping[str, str], seconds: float) -> Iterator[Result]:
    """Targets, rules, and an alert that always fires.

    Args:
        where: Addresses by key, as of `endpoints.addresses`.
        seconds: How long to wait for a scrape of every target, and for the first alert.
    """
    prometheus = where["prometheus"]
    if not fetch(f"{prometheus}/-/ready").ok:
        return
    yield from _targets(prometheus, seconds)
    yield _rules(fetch(f"{prometheus}/api/v1/rules"))
    yield _watchdog(where["alertmanager"], seconds)


def _targets(prometheus: str, seconds: float) -> Iterator[Result]:
    url = f"{prometheus}/api/v1/targets?state=active"
    targets: list[Any] = []

    def all_up() -> bool:
        # One that was not there yet when Prometheus asked first is asked again 15 s later.
        targets[:] = items(fetch(url), "data", "activeTargets")
        return bool(targets) and all(each["health"] == "up" for each in targets)

    wait(all_up, seconds)
    if not targets:
        todo = "Read the log: docker compose logs prometheus."
        yield failed(_AREA, "Prometheus watches nothing", todo)
    for each in targets:
        job, error = each["labels"].get("job", "?"), " ".join(each.get("lastError", "").split())
        if each["health"] == "up":
            yield ok(_AREA, f"Prometheus watches {job}")
        else:
            text = f"Prometheus gets nothing from {job}: {error[:160]}"
            yield failed(_AREA, text, f"Read the log: docker compose logs {job}.")


def _rules(answer: Answer) -> Result:
    groups = items(answer, "data", "groups")
    rules = [rule for group in groups for rule in group["rules"]]
    bad = [rule["name"] for rule in rules if rule["health"] == "err"]
    if bad:
        todo = "Read the log: docker compose logs prometheus."
        return failed(_AREA, f"Rules fail: {', '.join(bad[:5])}", todo)
    if not rules:
        return failed(_AREA, "Prometheus has no rules", "Write them: llm-otel render.")
    return ok(_AREA, f"Prometheus has {len(rules)} rules and none fails")


def _watchdog(alertmanager: str, seconds: float) -> Result:
    url = f'{alertmanager}/api/v2/alerts?filter=alertname%3D"Watchdog"'
    if wait(lambda: items(fetch(url)), seconds):
        return ok(_AREA, "The alert that always fires reaches Alertmanager")
    text = "The alert that always fires (Watchdog) is not in Alertmanager"
    return failed(_AREA, text, "Read the log: docker compose logs prometheus alertmanager.")
