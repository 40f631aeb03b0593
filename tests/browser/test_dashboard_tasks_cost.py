"""Tasks of those who pay and of those who judge, with a mouse and with the keyboard."""

from __future__ import annotations

from collections.abc import Callable

from browser.parts import View


class _Clicks:
    """Clicks links and counts them."""

    def __init__(self, seen: View) -> None:
        self.seen, self.count = seen, 0

    def on(self, name: str, inside: str = "body", address: str = "**") -> None:
        self.seen.page.locator(inside).get_by_role("link", name=name, exact=True).first.click()
        self.seen.page.wait_for_url(address)
        self.seen.drawn()
        self.count += 1


def test_who_burnt_money_yesterday_and_why(view: Callable[..., View], dashboard: str) -> None:
    """Three clicks, nothing typed: the tenant, the feature of it, and the cause."""
    seen = view(dashboard)
    page = seen.open("/")
    clicks = _Clicks(seen)
    clicks.on("Cost", "#menu", "**/cost*")
    clicks.on("yesterday", "#header", "**range=yesterday*")
    rows = page.get_by_role("list", name="Tenant").locator("li").all_inner_texts()
    assert "$" in rows[0], rows
    assert " · traces" in rows[0], "the cause stands beside the tenant"
    tenant = rows[0].split("\n")[0]
    clicks.on(tenant, ".moves", "**tenant_id=*")
    assert clicks.count == 3
    assert tenant in page.locator(".chip").inner_text()
    assert page.get_by_role("list", name="Causes").locator("li").count() > 1
    assert page.get_by_role("list", name="Feature").locator("li").count() > 0
    feature = page.get_by_role("list", name="Feature").locator("li a").first.inner_text()
    clicks.on(f"Traces of {feature}, the most expensive first", ".moves", "**/traces?*sort=cost*")
    assert page.locator("main table tbody tr").count() > 0


def test_did_the_new_prompt_hurt_quality(view: Callable[..., View], dashboard: str) -> None:
    """Two clicks to the verdict, one more to one of the worst answers."""
    seen = view(dashboard)
    page = seen.open("/?range=30d")
    clicks = _Clicks(seen)
    clicks.on("Quality", "#menu", "**/quality*")
    clicks.on("Prompts", "main", "**by=prompt*")
    words = page.locator(".verdict-words").inner_text()
    assert "B (support-answer@4) is better: " in words, words
    row = page.locator("section", has_text="Worst answers of B").last.locator("tbody a").first
    row.click()
    page.wait_for_url("**/traces/*")
    assert clicks.count == 2


def test_answers_are_rated_with_the_keyboard(
    view: Callable[..., View], writable_dashboard: str
) -> None:
    """j passes by, k goes back, a digit rates and shows the next one."""
    seen = view(writable_dashboard)
    page = seen.open("/label?range=7d")
    trace = page.get_by_role("link", name="The whole trace")

    def shown() -> str:
        return str(trace.get_attribute("href")).partition("?")[0]

    def press(key: str, address: str) -> str:
        page.keyboard.press(key)
        page.wait_for_url(address)
        page.wait_for_selector("main[aria-busy=false]")
        return shown()

    first = shown()
    second = press("j", "**place=1*")
    assert second != first
    assert press("k", lambda url: "place" not in url) == first  # type: ignore[arg-type]
    third = press("4", "**done=*")
    assert third == second, "the next one is shown"
    assert "1 rated" in page.locator(".rating").inner_text()
    page.get_by_role("button", name="Thumbs down").click()
    page.wait_for_selector(".rating:has-text('2 rated')")
    assert shown() not in (first, second)
