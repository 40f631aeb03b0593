"""What people come to the dashboard for, each in at most so many clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from browser.parts import View, fill, serving

import llm_otel.lake
from llm_otel.lake.writer import Writer


class Clicks:
    """A page on which clicks are counted."""

    def __init__(self, seen: View) -> None:
        self.seen = seen
        self.page = seen.page
        self.count = 0

    def click(self, target: Any) -> None:
        """Click, and wait for what comes of it."""
        target.click()
        self.count += 1
        self.page.wait_for_selector("main[aria-busy=false]")
        self.page.wait_for_load_state("networkidle")


def _one(lake: Path, query: str) -> Any:
    return llm_otel.lake.open(lake).sql(query).fetchall()[0][0]


def test_what_is_on_fire_is_on_the_first_page(view: Callable[..., View], dashboard: str) -> None:
    """No click: alerts, errors by class, P95 by model, what moved and why."""
    page = view(dashboard).open("/")
    titles = page.locator("main h2").all_inner_texts()
    for title in ("Firing now", "What moved the cost, and why", "Errors by class", "P95 by model"):
        assert title in titles, titles
    page.wait_for_selector("#alerts .empty-line")
    assert page.locator(".figure-card").count() >= 8


def test_which_tenant_burnt_money_yesterday_and_why(
    view: Callable[..., View], dashboard: str, small_lake: Path
) -> None:
    """Three clicks without typing: yesterday, the cost, the tenant; the causes are there."""
    most = _one(
        small_lake,
        """SELECT tenant_id FROM calls WHERE time >= '2026-11-19' AND time < '2026-11-20'
        AND tenant_id IS NOT NULL GROUP BY 1 ORDER BY sum(cost_usd) DESC LIMIT 1""",
    )
    seen = view(dashboard)
    seen.open("/")
    clicks = Clicks(seen)
    clicks.click(seen.page.get_by_role("link", name="yesterday"))
    clicks.click(seen.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Cost"))
    clicks.click(
        seen.page.get_by_role("navigation", name="Split by").get_by_role("link", name="Tenant")
    )
    assert clicks.count <= 3
    first = seen.page.locator("table tbody tr").first.inner_text()
    assert first.startswith(most), first
    assert "What moved the cost, and why" in seen.page.locator("main").inner_text()
    assert "range=yesterday" in seen.page.url


def test_what_was_slow_at_that_time(view: Callable[..., View], dashboard: str) -> None:
    """A peak of a chart is drawn over, and the slowest traces of it are a click away."""
    seen = view(dashboard)
    page = seen.open("/latency?range=7d")
    box = page.locator("#chart-over-time .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 70, steps=6)
    page.mouse.up()
    page.wait_for_url("**since=2026-11-**")
    page.wait_for_selector("main[aria-busy=false]")
    clicks = Clicks(seen)
    clicks.click(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Traces"))
    clicks.click(page.get_by_role("link", name="Duration", exact=True))
    assert "sort=duration" in page.url
    assert "since=2026-11-" in page.url
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Duration")


def test_what_did_this_user_ask(
    view: Callable[..., View], dashboard: str, small_lake: Path
) -> None:
    """The user's id in the line, then one click to a conversation that can be read."""
    user, session = (
        llm_otel.lake.open(small_lake)
        .sql(
            """SELECT "user", session_id FROM spans WHERE input_messages IS NOT NULL
            AND "user" IS NOT NULL AND session_id IS NOT NULL ORDER BY time DESC LIMIT 1"""
        )
        .fetchall()[0]
    )
    seen = view(dashboard)
    page = seen.open("/")
    page.keyboard.press("/")
    page.keyboard.type(f"user:{user}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**user={user}**")
    clicks = Clicks(seen)
    clicks.click(
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Conversations")
    )
    clicks.click(page.get_by_role("link", name=session, exact=True))
    assert clicks.count <= 2
    assert page.locator(".turn .message.user p").first.inner_text()
    assert page.locator(".turn .message.assistant p").first.inner_text()
    assert page.title() == f"Conversation {session[:8]} · llm-otel"


def test_did_the_new_prompt_hurt(view: Callable[..., View], dashboard: str) -> None:
    """Two clicks to a verdict in words, and the worst answers are below it."""
    seen = view(dashboard)
    seen.open("/?range=7d")
    clicks = Clicks(seen)
    clicks.click(
        seen.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Quality")
    )
    clicks.click(
        seen.page.get_by_role("navigation", name="Compare").get_by_role("link", name="Prompts")
    )
    words = seen.page.locator("main").inner_text()
    assert "better" in words or "no clear difference" in words, words


def test_words_are_found_where_they_were_said(
    view: Callable[..., View], dashboard: str, small_lake: Path
) -> None:
    """A search leads to the traces that hold the words, with a preview of them."""
    page = view(dashboard).open("/")
    page.locator("#search").fill("parcel")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces?**text=parcel**")
    page.wait_for_selector("td.clip a")
    found = int(page.locator("main h2").first.inner_text().split()[0].replace(",", ""))
    true = _one(
        small_lake,
        """SELECT count(DISTINCT trace_id) FROM spans WHERE time >= '2026-11-13 15:00' AND (
        contains(lower(input_messages), 'parcel') OR contains(lower(output_messages), 'parcel'))""",
    )
    assert found == true


def test_a_trace_can_be_judged_and_says_so(view: Callable[..., View], tmp_path: Path) -> None:
    """One click stores a rating, which is on the trace at once or a moment later."""
    lake = fill(tmp_path / "lake", 2, 60)
    trace = _one(lake, "SELECT trace_id FROM spans ORDER BY time DESC LIMIT 1")
    with serving(lake) as address:
        page = view(address).open(f"/traces/{trace}")
        page.get_by_label("Why, optional").fill("to the point")
        page.get_by_label("Name of the evaluation").fill("helpfulness")
        page.get_by_role("button", name="Thumbs up").click()
        page.wait_for_url("**rated=1**")
        page.wait_for_selector(".verdicts li")
        assert "helpfulness 1.000: to the point" in page.locator(".verdicts").inner_text()
    stored = (
        llm_otel.lake.open(lake)
        .sql(
            "SELECT score, explanation FROM scores "
            "WHERE evaluation = 'helpfulness' AND explanation <> ''"
        )
        .fetchall()
    )
    assert stored == [(1.0, "to the point")]


def test_a_link_to_a_span_opens_it(
    view: Callable[..., View], dashboard: str, small_lake: Path
) -> None:
    """From elsewhere, whatever is folded."""
    trace, span = (
        llm_otel.lake.open(small_lake)
        .sql(
            """SELECT trace_id, span_id FROM spans WHERE operation = 'execute_tool'
            ORDER BY time DESC LIMIT 1"""
        )
        .fetchall()[0]
    )
    seen = view(dashboard)
    page = seen.open(f"/traces/{trace}#span-{span}")
    page.wait_for_selector(f"#span-{span} details[open] .facts")
    assert page.locator(".agent-graph .node").count() >= 2
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.locator(".waterfall > li:visible").count() == 1
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator(".waterfall > li:visible").count() > 3


def test_columns_are_of_choice(view: Callable[..., View], dashboard: str) -> None:
    """The menu stays open while one chooses, and the choice is in the address."""
    seen = view(dashboard)
    page = seen.open("/traces")
    page.locator("summary", has_text="Columns").click()
    page.locator("#menu-columns .option", has_text="Feature").click()
    page.wait_for_selector("th:has-text('Feature')")
    assert page.locator("#menu-columns[open]").count() == 1
    assert "column=feature" in page.url


def test_a_view_is_kept_under_a_name(view: Callable[..., View], dashboard: str) -> None:
    """It is there after a reload, leads back, and can be forgotten."""
    seen = view(dashboard)
    page = seen.open("/cost?range=24h&by=user")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Keep as").fill("Users today")
    page.keyboard.press("Enter")
    seen.open("/roi")
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="Users today").click()
    page.wait_for_url("**/cost?range=24h&by=user")
    page.locator("summary", has_text="Views").click()
    page.get_by_role("button", name="forget").click()
    assert "none kept yet" in page.locator("#views").inner_text()


def test_times_are_local_where_one_wants_that(view: Callable[..., View], dashboard: str) -> None:
    """Tables, charts and their words; the choice lasts."""
    seen = view(dashboard, timezone_id="America/New_York")
    page = seen.open("/traces")
    utc = page.locator("tbody time").first.inner_text()
    page.locator("#zone").click()
    local = page.locator("tbody time").first.inner_text()
    hours = [int(text.split()[2][:2]) for text in (utc, local)]
    assert (hours[0] - hours[1]) % 24 == 5, (utc, local)
    assert "local time" in page.locator("th").first.inner_text()
    page.reload()
    seen.drawn()
    assert page.locator("tbody time").first.inner_text() == local


def test_the_refresh_closes_nothing(view: Callable[..., View], small_lake: Path) -> None:
    """What is open or scrolled stays so while figures are read again."""
    with serving(small_lake, live_s=0.5) as address:
        seen = view(address)
        page = seen.open("/errors")
        page.locator("#meanings summary").click()
        page.evaluate("scrollTo(0, 400)")
        for _ in range(2):
            with page.expect_response(lambda answer: "/errors" in answer.url):
                pass
        assert page.locator("#meanings[open]").count() == 1
        assert page.evaluate("scrollY") > 300
        page.goto("about:blank")  # nothing is asked of a server that has ended


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard over two traces: 2,500 spans below one, and 2,500 without one above them."""
    folder = tmp_path_factory.mktemp("large")
    spans = [
        {"time": datetime(2026, 11, 20, 12) + timedelta(milliseconds=number),
         "trace_id": trace * 16, "span_id": f"{trace}{number:014x}", "service_name": "shop",
         "parent_span_id": f"{trace}{0:014x}" if nested and number else None,
         "name": f"step {number}", "duration_s": 1.0, "status": "ok"}
        for trace, nested in (("aa", True), ("bb", False))
        for number in range(2_500)
    ]  # fmt: skip
    with Writer(folder) as writer:
        writer.append(spans=spans)
    with serving(folder) as address:
        yield address


@pytest.mark.parametrize(("trace", "rows"), [("aa", 1), ("bb", 1000)])
def test_every_span_of_a_large_trace_is_reached(
    view: Callable[..., View], large: str, trace: str, rows: int
) -> None:
    """By a link though it is folded away, and by unfolding to the last."""
    seen = view(large)
    page = seen.open(f"/traces/{trace * 16}")
    assert page.locator(".waterfall > li[id]").count() == rows
    page.goto(f"{large}/traces/{trace * 16}#span-{trace}{2_400:014x}")
    page.wait_for_selector(f"#span-{trace}{2_400:014x} details[open] .facts")
    seen.open(f"/traces/{trace * 16}")
    if rows == 1:
        page.locator(".fold[data-load]").click()
    below = 2_500 if rows > 1 else 2_499  # the root is there at first
    for size in (below - 1_000, below - 2_000):
        page.get_by_role("button", name=f"{size:,} spans more", exact=True).click()
    page.wait_for_selector(f"#span-{trace}{2_499:014x}")
    assert page.locator(".waterfall > li[id]").count() == 2_500


def _answer(status: int) -> Callable[[Any], None]:
    return lambda route: route.fulfill(status=status)


def test_a_refresh_that_fails_keeps_the_page(view: Callable[..., View], small_lake: Path) -> None:
    """And says that it failed; the next one goes on."""
    with serving(small_lake, live_s=0.5) as address:
        seen = view(address)
        page = seen.open("/roi")
        for status in (502, 401):
            page.route("**/roi", _answer(status))
            page.wait_for_selector(f"#trouble:has-text('answered {status}')")
            assert page.locator("main .card").count() > 0
            page.unroute("**/roi")
        with page.expect_response(lambda answer: answer.status == 200):
            pass
        page.wait_for_selector("main[aria-busy=false] .card")
        page.goto("about:blank")
    seen.complaints = [each for each in seen.complaints if "status of" not in each]


def test_enter_in_a_note_rates_nothing(
    view: Callable[..., View], dashboard: str, small_lake: Path
) -> None:
    """Which value is meant is for a click to say."""
    trace = _one(small_lake, "SELECT trace_id FROM spans ORDER BY time DESC LIMIT 1")
    page = view(dashboard).open(f"/traces/{trace}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.get_by_label("Why, optional").fill("very good answer")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="← All traces").click()
    page.wait_for_selector("text=Columns")
    assert "POST" not in asked, asked


def test_charts_that_are_gone_are_let_go(view: Callable[..., View], dashboard: str) -> None:
    """Going back and forth leaves no listeners behind."""
    seen = view(dashboard)
    page = seen.open("/latency?live=off")
    session = page.context.new_cdp_session(page)

    def listeners() -> int:
        session.send("HeapProfiler.collectGarbage")
        return int(session.send("Memory.getDOMCounters")["jsEventListeners"])

    def there_and_back() -> None:
        for name in ("Traces", "Latency"):
            page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
            page.wait_for_url(f"**/{name.lower()}**")
            seen.drawn()

    there_and_back()
    before = listeners()
    for _ in range(4):
        there_and_back()
    assert listeners() < before * 1.2, (before, listeners())
