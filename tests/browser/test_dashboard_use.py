"""Using the dashboard: filters, addresses, CSV, the trace page, themes, live refresh, the token."""

from __future__ import annotations

import csv
import io
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from browser.parts import View, fill, serving

import llm_otel.lake


def _trace(lake: Path, condition: str) -> str:
    rows = (
        llm_otel.lake.open(lake)
        .sql(f"SELECT trace_id FROM spans WHERE {condition} ORDER BY time DESC LIMIT 1")
        .fetchall()
    )
    return str(rows[0][0])


def test_filters_live_in_the_address(view: Callable[..., View], dashboard: str) -> None:
    """A filter chosen by mouse is in the address, survives a reload, and goes to other pages."""
    seen = view(dashboard)
    page = seen.open("/?range=7d")
    page.locator("summary", has_text="Model").click()
    page.locator("a.option", has_text="gpt-5-mini").click()
    page.wait_for_url("**model=gpt-5-mini**")
    page.reload()
    seen.drawn()
    assert "Model: gpt-5-mini" in page.locator(".chip").inner_text()
    cells = page.locator("main table tbody tr td:first-child").all_inner_texts()
    assert cells == ["gpt-5-mini"], cells
    page.get_by_role("link", name="Latency").click()
    page.wait_for_url("**/latency?*model=gpt-5-mini*")


def test_a_typed_filter_lives_in_the_address(view: Callable[..., View], dashboard: str) -> None:
    """A tag is typed as key=value; it narrows the list."""
    seen = view(dashboard)
    page = seen.open("/traces")
    page.locator("summary", has_text="More").click()
    page.get_by_label("Tag").fill("channel=mobile")
    page.keyboard.press("Enter")
    page.wait_for_url("**tag=channel%3Dmobile**")
    page.wait_for_selector(".chip:has-text('channel=mobile')")


def test_back_and_forward_work(view: Callable[..., View], dashboard: str) -> None:
    """The browser's own buttons go from window to window."""
    seen = view(dashboard)
    page = seen.open("/cost?range=7d")
    page.get_by_role("link", name="24h").click()
    page.wait_for_selector(".segment.on:has-text('24h')")
    page.go_back()
    page.wait_for_selector(".segment.on:has-text('7d')")


def test_a_table_is_saved_as_csv(
    view: Callable[..., View], dashboard: str, small_lake: Path, tmp_path: Path
) -> None:
    """The CSV has the rows of the page, with full figures."""
    page = view(dashboard).open("/cost?range=7d&by=tenant_id")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save Cost by tenant as CSV").click()
    saved = tmp_path / "saved.csv"
    download.value.save_as(saved)
    rows = list(csv.DictReader(io.StringIO(saved.read_text())))
    shown = page.locator("section", has_text="Change is against").locator("tbody tr").count()
    assert len(rows) == shown
    total = sum(float(row["Cost"]) for row in rows)
    since = "TIMESTAMP '2026-11-13 15:00:00'"
    asked = (
        f"SELECT sum(sum) FROM metrics_hourly WHERE metric = 'gen_ai.cost.usd' AND hour >= {since}"
    )
    true = llm_otel.lake.open(small_lake).sql(asked).fetchall()[0][0]
    assert abs(total - true) < 1e-6, (total, true)


def test_a_trace_has_a_waterfall(
    view: Callable[..., View], dashboard: str, small_lake: Path
) -> None:
    """Spans stand under their parents, with time, tokens and cost, and open to what was said."""
    trace = _trace(small_lake, "input_messages IS NOT NULL")
    page = view(dashboard).open(f"/traces/{trace}")
    names = [name.strip() for name in page.locator(".span-name").all_inner_texts()]
    assert names[:2] == ["invoke_workflow resolve-ticket", "invoke_agent support-agent"], names
    assert sum(name.startswith("chat ") for name in names) == 3
    depths = page.locator(".span-name").evaluate_all(
        "spans => spans.map(span => parseInt(getComputedStyle(span).paddingInlineStart) / 18)"
    )
    assert depths == [0, 1, 2, 3, 2, 2, 2, 2, 2], depths
    row = page.locator(".span-row", has_text="chat ").first
    assert "→" in row.inner_text()
    assert "$" in row.inner_text()
    row.click()
    page.wait_for_selector("details[open] .messages")
    said = page.locator("details[open] .messages").all_inner_texts()
    assert any("user" in each for each in said), said


def test_the_csv_of_a_trace_has_what_was_said(dashboard: str, small_lake: Path) -> None:
    """One row a span; the messages are in it where they were captured."""
    trace = _trace(small_lake, "input_messages IS NOT NULL")
    with urllib.request.urlopen(f"{dashboard}/csv/spans?of=/traces/{trace}") as answer:
        rows = list(csv.DictReader(io.StringIO(answer.read().decode())))
    assert len(rows) == 9, rows
    said = [row for row in rows if row["Span"].startswith("chat ")]
    assert all("user: " in row["Input"] for row in said), said
    assert all("assistant: " in row["Output"] for row in said), said


def test_last_week_on_a_model_of_ones_choice(view: Callable[..., View], dashboard: str) -> None:
    """A model that is typed joins the comparison; one without a price is told."""
    seen = view(dashboard)
    page = seen.open("/optimise")
    page.get_by_label("Add a model").fill("openai/gpt-4.1-mini")
    page.keyboard.press("Enter")
    page.wait_for_selector("td:has-text('gpt-4.1-mini')")
    assert "on=openai%2Fgpt-4.1-mini" in page.url
    said = seen.open("/optimise?on=nobody/nothing").locator("main .notice").inner_text()
    assert said == "No price is known for nobody/nothing: write it as provider/model."


def test_what_cannot_be_read_is_told(
    view: Callable[..., View], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Damaged files are a sentence on the page and lines in the log; the others are read."""
    lake = fill(tmp_path / "lake", 2, 50)
    files = sorted(lake.glob("calls/**/*.parquet"))
    with serving(lake) as address:
        files[0].write_bytes(b"no Parquet")
        page = view(address).open("/")
        words = page.locator("main .notice.warn").all_inner_texts()
        assert any(each.startswith("1 file of the lake is damaged") for each in words), words
        with urllib.request.urlopen(f"{address}/csv/models?of=/") as answer:
            assert answer.status == 200
    lines = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert [line for line in lines if str(files[0]) in line], caplog.records


def test_a_trace_from_the_list_opens(view: Callable[..., View], dashboard: str) -> None:
    """The list links to the trace's own address, which can be passed on."""
    seen = view(dashboard)
    page = seen.open("/traces?sort=cost&feature=support-chat")
    page.locator("main table tbody tr td:nth-child(2) a").first.click()
    page.wait_for_selector(".waterfall")
    assert "/traces/" in page.url


def test_an_unknown_trace_says_so(view: Callable[..., View], dashboard: str) -> None:
    """A trace that is not there is no error."""
    page = view(dashboard).open("/traces/" + "0" * 32)
    assert "No such trace" in page.locator("main").inner_text()


def test_the_theme_follows_the_system_until_it_is_chosen(
    view: Callable[..., View], dashboard: str
) -> None:
    """Dark by the system, light by the button, and still light after a reload."""
    seen = view(dashboard, color_scheme="dark")
    page = seen.open("/")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.get_by_role("button", name="Change between dark and light").click()
    light = page.evaluate(colour)
    assert dark != light
    page.reload()
    seen.drawn()
    assert page.evaluate(colour) == light


def test_live_refresh_reads_again_and_pauses(view: Callable[..., View], small_lake: Path) -> None:
    """A live page asks again by itself; a paused one does not."""
    with serving(small_lake, live_s=1) as address:
        seen = view(address)
        asked: list[str] = []
        page = seen.open("/roi")
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_event(
            "request", lambda request: request.headers.get("hx-target") == "main#content"
        )
        page.get_by_role("link", name="Live").click()
        page.wait_for_url("**live=off**")
        page.wait_for_selector("text=Paused")
        page.wait_for_load_state("networkidle")
        before = len(asked)
        page.wait_for_timeout(2500)
        assert len(asked) == before, asked[before:]


def test_a_token_is_asked_for_once(view: Callable[..., View], small_lake: Path) -> None:
    """Without the token nothing is served; with it a cookie is set and the address is clean."""
    with serving(small_lake, token="secret-of-the-test") as address:
        for path in ("/", "/csv/models?of=/", "/assets/app.js"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(address + path)
        page = view(address).open("/cost?token=secret-of-the-test&range=7d")
        assert "token" not in page.url
        assert "range=7d" in page.url


def test_another_host_name_is_refused(small_lake: Path) -> None:
    """A page of another site cannot read the dashboard by a name pointed at this machine."""
    with serving(small_lake) as address:
        request = urllib.request.Request(address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(request)


def test_only_own_scripts_may_run(dashboard: str) -> None:
    """The policy names this host alone: no CDN, no telemetry."""
    with urllib.request.urlopen(dashboard) as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = answer.read().decode()
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert 'src="http' not in text, text
