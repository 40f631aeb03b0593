"""The dashboards, read as Grafana and its linter read them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from stack.dashboards import (
    BY_UID,
    CONFIG,
    DASHBOARDS,
    FOREIGN,
    Json,
    dashboards,
    emitted,
    names,
    panels,
    targets,
)
from stack.parts import ROOT, program

from llm_otel.stack import panels as pinned
from llm_otel.stack import prometheus
from llm_otel.stack.config import Config
from llm_otel.stack.grafana import files
from llm_otel.stack.prometheus import files as prometheus_files
from llm_otel.stack.prometheus.alert import Alert
from llm_otel.stack.prometheus.alerts import ALERTS
from tools.preview.macros import View

EACH = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=lambda d: d["uid"])
# Grafana's names of units that the dashboards use; the linter's list has them all.
UNITS = {"s", "short", "locale", "none", "percentunit", "currencyUSD", "reqps", "cps", "bytes"}
# Rates whose window is not $__rate_interval, with the reason.
FIXED_WINDOWS = {
    "Latency, ${percentile:text}": "the alert's window, so that it is what it compares",
    "Latency by model, ${percentile:text}": "as above, by model",
    "Time to first chunk by model, ${percentile:text}": "as above, of the first chunk",
    "Duration of a run by agent, ${percentile:text}": "runs are few: many windows hold none",
    "Most model calls in a run by agent": "the alert's window",
}


@EACH
def test_it_is_classic_json_that_nobody_edits(dashboard: Json) -> None:
    """Schema 42, no id, read-only, one crosshair, nothing that only an import understands."""
    assert dashboard["schemaVersion"] == 42
    assert dashboard["id"] is None
    assert dashboard["editable"] is False
    assert dashboard["graphTooltip"] == 1
    assert "__inputs" not in dashboard
    assert "${DS_" not in json.dumps(dashboard)


def test_uids_and_titles_are_unique() -> None:
    """Grafana freezes two files of one uid; a title is unique in its folder."""
    assert len(BY_UID) == len(DASHBOARDS) == 4
    assert len({dashboard["title"] for dashboard in DASHBOARDS.values()}) == 4
    assert all(re.fullmatch(r"[a-z-]{8,40}", uid) for uid in BY_UID), list(BY_UID)
    assert {Path(path).stem for path in DASHBOARDS} == set(BY_UID)


@EACH
def test_panel_ids_are_unique(dashboard: Json) -> None:
    """Every panel, rows too, has an id of its own; those that nobody points at begin at 20."""
    ids = [panel["id"] for panel in panels(dashboard, rows=True)]
    assert len(set(ids)) == len(ids), ids
    own = {p.id for p in vars(pinned).values() if isinstance(p, pinned.Panel)
           and p.dashboard == dashboard["uid"]}  # fmt: skip
    assert {number for number in ids if number < 20} == own


@EACH
def test_the_grid_is_full_and_nothing_overlaps(dashboard: Json) -> None:
    """Each line of panels fills the 24 columns; panels of a line have one height."""
    taken: set[tuple[int, int]] = set()
    lines: dict[int, list[Json]] = {}
    for panel in (p for p in dashboard["panels"] if p["type"] != "row"):
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for row in (p for p in dashboard["panels"] if p["type"] == "row"):
        inside: dict[int, list[Json]] = {}
        assert row["collapsed"] is True
        for panel in row["panels"]:
            inside.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
        _full(inside, set(), f"{dashboard['uid']} · {row['title']}")
    _full(lines, taken, dashboard["uid"])


def _full(lines: dict[int, list[Json]], taken: set[tuple[int, int]], where: str) -> None:
    for y, places in lines.items():
        assert sum(place["w"] for place in places) == 24, f"{where}, y {y}: {places}"
        assert len({place["h"] for place in places}) == 1, f"{where}, y {y}: {places}"
        for place in places:
            cells = {(x, row) for x in range(place["x"], place["x"] + place["w"])
                     for row in range(y, y + place["h"])}  # fmt: skip
            assert not taken & cells, f"{where}: {place} overlaps"
            taken |= cells


def test_the_home_page_has_three_graphs_below_a_strip_and_the_rest_folded() -> None:
    """The home dashboard opens with four figures, then latency, tokens and cost, side by side."""
    home = BY_UID[pinned.OPERATIONS]
    open_ = [panel for panel in home["panels"] if panel["type"] != "row"]
    strip, graphs = open_[:4], open_[4:]
    assert [panel["title"] for panel in strip] == [
        "Error share", "Latency, ${percentile:text}", "Cost, last hour", "Alerts firing",
    ]  # fmt: skip
    assert {(p["type"], p["gridPos"]["y"], p["gridPos"]["h"]) for p in strip} == {("stat", 0, 3)}
    assert [panel["id"] for panel in graphs] == [1, 2, 3]
    assert {panel["gridPos"]["y"] for panel in graphs} == {3}
    levels = [step["value"] for step in graphs[0]["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    assert levels == [None, 5, 10]


def test_each_figure_of_the_strip_leads_to_its_panel() -> None:
    """A click on error share, latency, cost or alerts opens what shows it by model, or the list."""
    home = BY_UID[pinned.OPERATIONS]
    there = {f"panel-{panel['id']}" for panel in panels(home)}
    links = [panel["fieldConfig"]["defaults"]["links"][0]["url"] for panel in home["panels"][:4]]
    opened = [parse_qs(urlsplit(link).query).get("viewPanel", [""])[0] for link in links]
    assert opened == ["panel-5", "panel-1", "", "panel-12"]
    assert {*opened} - {""} <= there
    assert urlsplit(links[2]).path == f"/d/{pinned.COST}"


@EACH
def test_percentile_and_number_of_series_are_chosen(dashboard: Json) -> None:
    """Each dashboard has both choices, so that links keep them; P95 and ten series at first."""
    custom = {v["name"]: v for v in dashboard["templating"]["list"] if v["type"] == "custom"}
    assert {name: v["current"]["text"] for name, v in custom.items()} == {
        "percentile": "P95", "topk": "10",
    }  # fmt: skip
    for name, variable in custom.items():
        values = dict(each.split(" : ") for each in variable["query"].split(", "))
        assert values[variable["current"]["text"]] == variable["current"]["value"]
        used = any(f"${name}" in t.expr for t in targets({"": dashboard}))
        assert used == (variable["hide"] == 0), name


def test_rows_of_tables_lead_on() -> None:
    """Every label of a table that a dashboard can be filtered by leads to calls, cost and traces,
    with all such labels of its row."""
    for dashboard in DASHBOARDS.values():
        for panel in (
            p for p in panels(dashboard) if p["type"] == "table" and p["transformations"]
        ):
            heads = panel["transformations"][-1]["options"]["renameByName"]
            chosen = {label: head for label, head in heads.items() if label in pinned.VARIABLES}
            links = {
                override["matcher"]["options"]: item["value"]
                for override in panel["fieldConfig"]["overrides"]
                for item in override["properties"]
                if item["id"] == "links"
            }
            where = f"{dashboard['uid']} · {panel['title']}"
            assert set(chosen.values()) <= set(links), where
            for operations, cost, traces in links.values():
                assert urlsplit(operations["url"]).path == f"/d/{pinned.OPERATIONS}", where
                assert urlsplit(cost["url"]).path == f"/d/{pinned.COST}", where
                for label, head in chosen.items():
                    cell = f"&var-{label}=${{__data.fields.{head}:percentencode}}"
                    assert cell in cost["url"], where
                    assert f"${{__data.fields.{head}}}" in traces["url"], where
                json.loads(parse_qs(urlsplit(traces["url"]).query)["panes"][0])


def test_totals_are_of_what_adds_up() -> None:
    """A row of totals has money, calls and tokens, and neither shares nor means."""
    units = {"currencyUSD", "locale", "short"}
    for dashboard in DASHBOARDS.values():
        for panel in (p for p in panels(dashboard) if p["options"].get("footer")):
            cells = {
                override["matcher"]["options"]: {
                    p["id"]: p["value"] for p in override["properties"]
                }
                for override in panel["fieldConfig"]["overrides"]
            }
            fields = panel["options"]["footer"]["fields"]
            assert {cells[name]["unit"] for name in fields} <= units, panel["title"]
            assert not [name for name in fields if "of 1,000" in name or "per" in name]


@EACH
def test_releases_are_marked(dashboard: Json) -> None:
    """Graphs show where a service began to run another version."""
    (mark,) = [m for m in dashboard["annotations"]["list"] if m["name"] == "Releases"]
    assert "service_version" in mark["expr"]
    assert "{{service_version}}" in mark["titleFormat"]


def test_what_has_no_traffic_does_not_say_so() -> None:
    """“No traffic” is about calls: the panels of the pipeline have words of their own."""
    wrong = [
        panel["title"]
        for panel in panels(BY_UID[pinned.PIPELINE])
        if panel["fieldConfig"]["defaults"]["noValue"] == "No traffic"
    ]
    assert not wrong


@EACH
def test_every_panel_explains_itself(dashboard: Json) -> None:
    """Title, description, unit, targets, a word for no data; titles are unique."""
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles), titles
    for panel in panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        assert defaults["noValue"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@EACH
def test_datasources_are_variables(dashboard: Json) -> None:
    """Panels and their targets name a datasource variable that the dashboard has."""
    variables = {v["name"] for v in dashboard["templating"]["list"] if v["type"] == "datasource"}
    for panel in panels(dashboard):
        for owner in (panel, *panel["targets"]):
            uid = owner["datasource"]["uid"]
            assert uid.strip("${}") in variables, f"{panel['title']}: {uid}"
            assert owner["datasource"]["type"] == uid.strip("${}").removesuffix("_datasource")


@EACH
def test_variables_follow_the_time_range_and_match_all(dashboard: Json) -> None:
    """Every variable of the contract is there, reloads with the time, and has an All."""
    query = [v for v in dashboard["templating"]["list"] if v["type"] == "query"]
    assert [v["name"] for v in query] == list(pinned.VARIABLES)
    for variable in query:
        assert variable["refresh"] == 2
        assert variable["includeAll"]
        assert variable["multi"]
        assert variable["allValue"] == ".*"
        assert re.fullmatch(r"label_values\(\{.+\}, \w+\)", variable["definition"])


@EACH
def test_links_lead_to_what_exists(dashboard: Json) -> None:
    """Data links open a dashboard with variables that it has, or Explore with a valid query."""
    for panel in panels(dashboard):
        for link in panel["fieldConfig"]["defaults"].get("links", []):
            parts = urlsplit(link["url"])
            assert link["title"], panel["title"]
            if parts.path == "/explore":
                panes = json.loads(parse_qs(parts.query)["panes"][0])
                (query,) = panes["traces"]["queries"]
                assert re.fullmatch(r"\{ .+ \}", query["query"]), query
                continue
            other = BY_UID[parts.path.removeprefix("/d/")]
            known = {v["name"] for v in other["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", parts.query)) <= known, link
            assert "${__url_time_range}" in parts.query
    assert dashboard["links"][0]["keepTime"]
    assert dashboard["links"][0]["includeVars"]


def test_labels_in_links_are_in_the_series() -> None:
    """A link that takes a label from a series is on panels whose every query keeps that label."""
    wrong = []
    for each in targets():
        wanted = set(
            re.findall(r"__field\.labels\.(\w+)",
                       json.dumps(each.panel["fieldConfig"]["defaults"].get("links", [])))
        )  # fmt: skip
        if not wanted or each.target["exemplar"] or each.target["legendFormat"] in CONSTANTS:
            continue
        shown = set(re.findall(r"\{\{(\w+)\}\}", each.target["legendFormat"]))
        if not wanted <= shown:
            wrong.append(f"{each}: {wanted - shown}")
    assert not wrong


# Series without labels beside those that have some: a link from them chooses nothing.
CONSTANTS = {
    "all others", "in · all others", "out · all others", "projected month",
    "calls not priced in full",
    "warning: 120% of a usual day",
    "critical: 200% of a usual day",
}  # fmt: skip


def test_labels_in_legends_are_kept_by_the_query() -> None:
    """What a legend names is in every `by (…)` of its query."""
    wrong = []
    for each in targets():
        shown = set(re.findall(r"\{\{(\w+)\}\}", each.target["legendFormat"]))
        # what stands behind `group_left ()` gives no label
        for kept in re.findall(r"\bby \(([^)]*)\)", each.expr.partition("group_left ()")[0]):
            labels = {label.strip() for label in kept.split(",")}
            if not shown <= labels:
                wrong.append(f"{each}: {shown - labels} not in by ({kept})")
    assert not wrong


def test_rates_use_the_rate_interval() -> None:
    """The linter's rule: rate and irate look back $__rate_interval, but for named exceptions."""
    wrong = [
        str(each)
        for each in targets()
        for window in re.findall(r"\brate\([^\[]*\[([^\]]+)\]", each.expr)
        if window != "$__rate_interval" and each.panel["title"] not in FIXED_WINDOWS
    ]
    assert not wrong


def test_counters_are_never_shown_raw() -> None:
    """The linter's rule: what ends in _total stands in rate or increase."""
    wrong = []
    for each in targets():
        bare = re.sub(r"(?:rate|increase)\([\w:]*\{(?:[^{}]|\{\w+\})*\}\[[^\]]+\]", "", each.expr)
        bare = re.sub(r"(?:rate|increase)\([\w:]+_total\[[^\]]+\]", "", bare)
        if re.search(r"\w+_total\b", bare):
            wrong.append(str(each))
    assert not wrong


def test_every_series_and_label_is_emitted() -> None:
    """A query names only what the library, a recording rule or a listed program emits."""
    known, wrong = emitted(), []
    for each in targets():
        wrong += [
            f"{each}: {name}"
            for name in names(each.expr)
            if name not in known and not FOREIGN.fullmatch(name)
        ]
        for name, matchers in re.findall(
            r"([a-zA-Z_:][\w:]*)\{([^{}]*(?:\{\w+\}[^{}]*)*)\}", each.expr
        ):
            labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", matchers))
            if known.get(name) and not labels <= known[name]:
                wrong.append(f"{each}: {name} has no {labels - known[name]}")
    assert not wrong


def test_prometheus_parses_every_query(tmp_path: Path) -> None:
    """promtool takes every query, with the variables at All and with one value each."""
    chosen = dict.fromkeys(pinned.VARIABLES, "(a|b)")
    rules = [
        {"record": f"query:number{n}:x", "expr": view.query(each.expr, 300)}
        for view in (View(0, 86400), View(0, 86400, chosen))
        for n, each in enumerate(targets())
    ]
    annotations = [
        {"record": "query:alerts:x", "expr": View(0, 86400).query(found["expr"], 60)}
        for dashboard in DASHBOARDS.values()
        for found in dashboard["annotations"]["list"]
    ]
    path = tmp_path / "queries.yml"
    groups = [{"name": "all", "rules": rules + annotations}]
    path.write_text(yaml.safe_dump({"groups": groups}))
    command = [program("promtool"), "check", "rules", "--lint=none", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_alert_points_at_a_panel() -> None:
    """The dashboard and the panel in each alert's annotations exist."""
    wrong = []
    for path, text in prometheus_files(CONFIG).items():
        for group in yaml.safe_load(text).get("groups", []) if "/alerts/" in path else []:
            for rule in group["rules"]:
                notes = rule["annotations"]
                uid = notes["dashboard_url"].rpartition("/")[2]
                ids = {panel["id"] for panel in panels(BY_UID[uid])}
                if int(notes["panel_id"]) not in ids:
                    wrong.append(f"{rule['alert']}: {uid} {notes['panel_id']}")
    assert not wrong


def _raw(name: str, config: Config) -> set[str]:
    """The series that a series is made of, down to those that nobody recorded."""
    stems = {name.removesuffix(suffix) for suffix in ("_bucket", "_count", "_sum")}
    found = {min(stems, key=len)} if ":" not in name else set[str]()
    for group in prometheus.groups(config):
        for rule in group.rules:
            if rule.record == name:
                for part in names(rule.expr) - {name}:
                    found |= _raw(part, config)
    return found


# What an alert's value reads and its panel does not show.
UNSHOWN = {
    "up": "whether the Collector was watched when a counter was born",
    "gen_ai_.*": "any metric: the panel asks for the label alone",
    **{f"otelcol_exporter_sent_{records}": "that nothing of it was sent"
       for records in ("spans", "metric_points", "log_records")},
}  # fmt: skip


def test_every_alert_leads_to_a_panel_that_shows_its_value() -> None:
    """The panel reads all that the alert's value is made of, but for what is said above."""
    wrong = []
    for alert in ALERTS:
        board = BY_UID[alert.panel.dashboard]
        (panel,) = [p for p in panels(board) if p["id"] == alert.panel.id]
        shown = {raw for t in panel["targets"] for n in names(t["expr"]) for raw in _raw(n, CONFIG)}
        value = alert.condition(CONFIG, alert.limits).value
        read = {raw for name in names(value) for raw in _raw(name, CONFIG)}
        if not shown & read or read - shown - UNSHOWN.keys():
            wrong.append(f"{alert.name} on {panel['title']}: {read - shown}")
    assert not wrong, "\n".join(wrong)


WINDOWS = (
    "{}",
    "{errors: {window: 30m}}",
    "{latency: {window: 1h}, first_chunk: {window: 2h}, success: {window: 3h}}",
    "{rate_limited: {window: 7m}, drift: {window: 12h}}",
    "{errors: false, timeouts: {window: 1h}}",
    "{" + ", ".join(f"{alert.key}: false" for alert in ALERTS) + "}",
)


@pytest.mark.parametrize("alerts", WINDOWS)
def test_what_the_dashboards_read_is_recorded(alerts: str, tmp_path: Path) -> None:
    """Whatever windows the alerts have, and whichever are off, no panel asks for what is not."""
    path = tmp_path / "llm-otel.yaml"
    path.write_text(f"alerts: {alerts}\n")
    config = Config.load(path)
    recorded = {rule.record for group in prometheus.groups(config) for rule in group.rules}
    missing = {
        f"{each}: {name}"
        for each in targets(dashboards(config))
        for name in names(each.expr)
        if ":" in name and name not in recorded
    }
    assert not missing, missing


def _drawn(panel: Json) -> list[float | None]:
    return [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]


@pytest.mark.parametrize(
    "alert", [a for a in ALERTS if a.shows_levels], ids=lambda alert: alert.key
)
def test_the_alerts_levels_are_drawn(alert: Alert) -> None:
    """Where a panel shows what an alert compares, its levels are lines, or colours of a gauge."""
    (found,) = [p for p in panels(BY_UID[alert.panel.dashboard]) if p["id"] == alert.panel.id]
    levels = {alert.limits.warning, alert.limits.critical} - {None}
    assert {*_drawn(found)} - {None} == levels
    if found["type"] == "timeseries":
        assert found["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed"


def test_thresholds_are_the_alerts(tmp_path: Path) -> None:
    """A threshold that a user sets is drawn; an alert that is off draws none."""
    path = tmp_path / "llm-otel.yaml"
    path.write_text("alerts: {latency: {warning: 7, critical: 21}, errors: false}\n")
    home = json.loads(files(Config.load(path))["grafana/dashboards/LLM/llm-operations.json"])
    found = {panel["id"]: panel for panel in panels(home)}

    assert _drawn(found[pinned.LATENCY.id]) == [None, 7, 21]
    assert _drawn(found[pinned.ERROR_SHARE.id]) == [None]


def test_datasources_are_fixed_and_lead_to_each_other() -> None:
    """Fixed uids, read-only; exemplars open Tempo, spans open Prometheus with a literal `$`."""
    text = files(CONFIG)["grafana/provisioning/datasources/llm-otel.yaml"]
    content = yaml.safe_load(text)
    found = {each["uid"]: each for each in content["datasources"]}
    assert set(found) == {"prometheus", "tempo", "alertmanager"}
    assert content["prune"] is True
    assert not any(each["editable"] for each in found.values())
    (exemplar,) = found["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert (exemplar["name"], exemplar["datasourceUid"]) == ("trace_id", "tempo")
    tempo = found["tempo"]["jsonData"]
    assert tempo["tracesToMetrics"]["datasourceUid"] == tempo["serviceMap"]["datasourceUid"]
    assert all("{$$__tags}" in each["query"] for each in tempo["tracesToMetrics"]["queries"])
    assert "$__" not in re.sub(r"\$\$", "", text)


def test_the_committed_files_are_the_generated_ones() -> None:
    """`llm-otel render` would change nothing below grafana/."""
    wanted = files(Config())
    stale = [path for path, text in wanted.items() if not (ROOT / path).is_file()
             or (ROOT / path).read_text(encoding="utf-8") != text]  # fmt: skip
    assert not stale
    there = {str(p.relative_to(ROOT)) for p in (ROOT / "grafana").rglob("*") if p.is_file()}
    assert there == set(wanted)


def test_macros_are_what_grafana_puts_there() -> None:
    """Steps are rounded as Grafana rounds them; variables are patterns, All by default."""
    view = View(0, 6 * 3600, {"model": "(a|b)"})
    panel = {"interval": "1m", "maxDataPoints": 300}
    assert view.step(panel) == 60
    assert View(0, 30 * 86400).step(panel) == 7200
    assert view.step({"interval": "1h", "maxDataPoints": 300}) == 3600
    query = 'rate(x{m=~"$model", t=~"${tenant_id}|"}[$__rate_interval]) [$__range] [$__interval]'
    wanted = 'rate(x{m=~"(a|b)", t=~".*|"}[240s]) [21600s] [60s]'
    assert view.query(query, 60) == wanted


def test_the_names_in_a_query_are_found() -> None:
    """The check of names sees bare series, recorded ones, and both sides of a choice by name."""
    query = (
        'sum by (a) (rate(x_total{b=~"$b"}[5m])) / on (a) l:m:op > 0 or count(up == 0) '
        'or {__name__=~"l:all:op|l:few:op${b}", __name__!~"l:all:op${b}"}'
    )
    assert names(query) == {"x_total", "l:m:op", "up", "l:all:op", "l:few:op"}
