"""Every query of the dashboards on a real Prometheus, filled by the sample application.

The application exports through the Collector. Rules come every second as in `stack.whole`, and the
hourly ones too, so that their series are there within seconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stack.catchers import wait_for
from stack.dashboards import BY_UID, CONFIG, Json, Target, targets
from stack.dashboards import panels as every_panel
from stack.parts import ROOT
from stack.whole import Whole, whole

from llm_otel import semconv
from llm_otel.stack import panels
from llm_otel.stack.grafana.promql import BY_TENANT, over_range
from llm_otel.stack.prometheus import budgets, recording
from tools.preview.api import Prometheus
from tools.preview.macros import ALL, View, duration
from tools.preview.page import render

INTERACTIONS = 150
# What is rightly empty: panel and query -> why.
EMPTY = {
    "Latency by model, ${percentile:text} B": "names exemplars only; see the test of these",
    "Time to first chunk by model, ${percentile:text} B": "exemplars only, as above",
    "Error trend: the last hour and the same hour a day before B": "there was no day before",
    "Cost of the last 24 hours B": "the past has no two days",
    "Cost of the last 24 hours C": "the past has no two days",
    "Top movers by tenant and feature B": "there is no time before, so no share of change",
    "Top movers by tenant and feature D": "there is no time before",
    "Top movers by model and provider B": "there is no time before, so no share of change",
    "Top movers by model and provider D": "there is no time before",
    "Bloated prompts: more than 10 tokens in for one out, 24 hours A": "no prompt need be bloated",
    "Bloated prompts: more than 10 tokens in for one out, 24 hours B": "no prompt need be bloated",
    "Bloated prompts: more than 10 tokens in for one out, 24 hours C": "no prompt need be bloated",
    "Alerts that fire now A": "no alert need fire",
    "Tokens per hour by model and feature C": "all are among the top",
    "Tokens per hour by model and feature D": "all are among the top",
    "Cost per hour, projected month B": "all are among the top",
    "Cost of the last 24 hours D": "all are among the top",
    "Saved by feature B": "all are among the top",
    "Cost by tenant B": "all are among the top",
    "Cost by feature B": "all are among the top",
    "Cost by model B": "all are among the top",
    "Cost by provider B": "all are among the top",
    "Drift: the last 6h against the week before A": "there is no week before",
    "Drift: the last 6h against the week before C": "there is no week before",
    "Values folded into `other` A": "nothing overflowed",
    "Values folded into `other` B": "nothing overflowed",
    "Errors inside the library A": "the library did not fail",
    "Received by the Collector A": "a counter opens with the first record",
    "Not exported A": "the Collector opens this counter with the first failure",
    "Not exported B": "the Collector opens this counter with the first failure",
    "Not exported C": "the Collector opens this counter with the first failure",
    "Not exported D": "the Collector opens this counter with the first failure",
    "Not exported E": "the Collector opens this counter with the first failure",
    "Not exported F": "the Collector opens this counter with the first failure",
    "Burn rate of the error budget C": "a day is looked at in steps of five minutes",
    "Burn rate of the error budget D": "days are looked at in steps of five minutes",
    "Storage K": "Prometheus answered no request with an error",
}

# The sample application has no cache of its own.
CACHING = """
import llm_otel

llm_otel.instrument()
with llm_otel.attribution(tenant_id="acme", feature="search"):
    with llm_otel.cached("gpt-4o-mini", provider="openai", saved_usd=0.25):
        pass
    with llm_otel.cached("gpt-4o-mini", provider="openai"):
        pass
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A stack in which the sample application has just run."""
    folder = tmp_path_factory.mktemp("stack")
    with whole(folder, CONFIG) as stack:
        run_sample(stack, folder)
        api = Prometheus(stack.url)
        wait_for(
            lambda: result(api, f"count({budgets.BUDGET_PROJECTED})"),
            "a budget that is recorded",
            30,
        )
        yield api


def run_sample(stack: Whole, folder: Path) -> None:
    """Run the sample application, with hourly rules that come every second."""
    hourly = folder / "prometheus" / "rules" / "hourly.yaml"
    hourly.write_text(hourly.read_text().replace("interval: 1h", "interval: 1s"))
    stack.prometheus.process.send_signal(signal.SIGHUP)  # it reads its rules again
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp,
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=staging",
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
    }
    sample = ["-m", "examples.assistant", "--interactions", str(INTERACTIONS)]
    for program in (["-c", CACHING], sample):
        command = [sys.executable, *program]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def result(api: Prometheus, query: str) -> list[dict[str, Any]]:
    """What an instant query finds now."""
    return list(api.get("query", query=query, time=time.time())["result"])


def now(dashboard: Json, **variables: str) -> View:
    """What somebody sees who opens a dashboard now."""
    span = duration(dashboard["time"]["from"].removeprefix("now-"))
    return View(time.time(), span, variables, scrape=2)


def answer(api: Prometheus, each: Target, view: View) -> list[dict[str, Any]]:
    """What a query finds at the end of the time range."""
    query = view.query(each.expr, view.step(each.panel))
    return list(api.get("query", query=query, time=view.end)["result"])


@pytest.mark.parametrize("uid", BY_UID)
def test_every_query_returns_data(filled: Prometheus, uid: str) -> None:
    """Each query finds series, with the labels that its legend names, or is rightly empty."""
    view, wrong = now(BY_UID[uid]), []
    for each in targets():
        if each.dashboard["uid"] != uid:
            continue
        found = answer(filled, each, view)
        key = f"{each.panel['title']} {each.target['refId']}"
        if not found and key not in EMPTY:
            wrong.append(f"{key}: nothing for {each.expr}")
        wrong += [f"{key}: NaN in {s['metric']}" for s in found if s["value"][1] == "NaN"]
    assert not wrong, "\n".join(wrong)


def test_a_variable_chooses(filled: Prometheus) -> None:
    """Summaries and detailed series give the same sums, and a chosen tenant stands alone."""
    by = (semconv.TENANT_ID,)
    query = over_range(semconv.COST, recording.HOURLY_COST, BY_TENANT, by)
    board = BY_UID[panels.COST]

    def costs(**variables: str) -> dict[str, float]:
        found = result(filled, now(board, **variables).query(query, 60))
        return {each["metric"]["tenant_id"]: float(each["value"][1]) for each in found}

    everything = costs()
    models = "|".join(each["metric"]["model"] for each in result(
        filled, f"group by (model) ({recording.HOURLY_COST})"))  # fmt: skip
    assert {"acme", "globex", "initech"} <= set(everything)
    assert costs(model=f"({models})") == pytest.approx(everything)
    assert set(costs(tenant_id="acme")) == {"acme"}
    some = costs(model="gpt-4o")
    assert 0 < some["acme"] < everything["acme"]


def test_only_bloated_prompts_are_listed_as_such(filled: Prometheus) -> None:
    """Every column has the rows of the first one, whose ratio is above ten."""
    columns = [t for t in targets() if "Bloated prompts: more than" in str(t)]
    view = now(columns[0].dashboard)
    ratios, *others = (
        {(s["metric"]["feature"], s["metric"]["model"]): float(s["value"][1]) for s in found}
        for found in (answer(filled, each, view) for each in columns)
    )
    assert all(ratio > 10 for ratio in ratios.values()), ratios
    assert all(set(column) == set(ratios) for column in others), others


def test_the_projected_month_is_of_what_is_chosen(filled: Prometheus) -> None:
    """Of everything, of a tenant, of a feature; of a model it is not known, and none is shown."""
    (each,) = [t for t in targets() if str(t).endswith("Projected month · A")]

    def usd(**variables: str) -> float | None:
        found = answer(filled, each, now(each.dashboard, **variables))
        return float(found[0]["value"][1]) if found else None

    everything, tenant, feature = usd(), usd(tenant_id="acme"), usd(feature="support")
    assert everything is not None
    assert tenant is not None
    assert feature is not None
    assert 0 < tenant < everything
    assert 0 < feature < everything
    assert usd(model="gpt-4o") is None
    assert usd(tenant_id="acme", feature="support") is None


def test_the_roi_is_that_of_the_page(filled: Prometheus) -> None:
    """(value − cost) / cost, by the cost of the features that report outcomes."""
    board = BY_UID[panels.QUALITY]
    (each,) = [t for t in targets() if str(t).endswith(" ROI · A")]
    (roi,) = answer(filled, each, now(board))
    hour = "increase({}[1h])"
    value = f"sum({hour.format(semconv.OUTCOME_VALUE_USD.prometheus)})"
    cost = (
        f"sum(sum by (feature) ({hour.format(semconv.COST.prometheus)})"
        f" and on (feature) {semconv.OUTCOMES.prometheus})"
    )
    ((true,),) = [[float(s["value"][1]) for s in result(filled, f"({value} - {cost}) / {cost}")]]
    # The recorded hours and the last hour need not end at the same second.
    assert float(roi["value"][1]) == pytest.approx(true, rel=0.5)


def test_latency_of_all_and_of_a_tenant(filled: Prometheus) -> None:
    """The recorded rates and the raw ones give the same quantile where they hold the same calls."""
    (each,) = [t for t in targets() if str(t).endswith("Latency by model, ${percentile:text} · A")]
    models = {s["metric"]["model"] for s in answer(filled, each, now(each.dashboard))}
    assert {"gpt-4o", "gpt-5-mini"} <= models
    one = answer(filled, each, now(each.dashboard, tenant_id="acme", feature="support"))
    assert [s["metric"]["model"] for s in one] == ["gpt-4o"]


def test_exemplars_are_found_by_the_query_that_names_them(filled: Prometheus) -> None:
    """The latency panel's last query finds trace ids, and asks for no samples."""
    (each,) = [t for t in targets() if str(t).endswith("Latency by model, ${percentile:text} · B")]
    assert each.target["exemplar"]
    view = now(each.dashboard)
    found = filled.get(
        "query_exemplars", query=view.query(each.expr, 60), start=view.start, end=view.end
    )
    traces = {e["labels"].get("trace_id") for series in found for e in series["exemplars"]}
    assert traces - {None}, found
    assert answer(filled, each, view) == []


@pytest.mark.parametrize("name", [*panels.VARIABLES])
def test_variables_have_values(filled: Prometheus, name: str) -> None:
    """Each variable's query finds what the application's calls were made with."""
    (variable,) = [v for v in BY_UID[panels.OPERATIONS]["templating"]["list"] if v["name"] == name]
    selector = variable["definition"].removeprefix("label_values(").rpartition(",")[0]
    selector = now(BY_UID[panels.OPERATIONS]).query(selector, 60)
    found = result(filled, f"group by ({name}) (last_over_time({selector}[1h]))")
    values = {each["metric"][name] for each in found}
    expected = {"service_name": "assistant", "provider": "openai", "model": "gpt-4o",
                "feature": "support", "tenant_id": "acme",
                "deployment_environment_name": "staging"}  # fmt: skip
    assert expected[name] in values, values
    assert not values & {"", ALL}


@pytest.mark.parametrize("uid", BY_UID)
def test_the_preview_draws_every_panel(filled: Prometheus, uid: str) -> None:
    """The page has a place for each panel, and loads nothing from elsewhere."""
    page = render(BY_UID[uid], filled, now(BY_UID[uid]), unfolded=True)
    missing = [p["title"] for p in every_panel(BY_UID[uid]) if f'id="panel-{p["id"]}"' not in page]
    assert not missing
    assert 'src="http' not in page
    assert "<link" not in page
