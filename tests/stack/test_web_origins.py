"""What a page that a browser on this machine opens can do with Prometheus and Alertmanager."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import Message

import pytest
from stack.whole import whole

from llm_otel.stack.config import Config

GRAFANA = Config().grafana_url
STRANGER = "http://stranger.example"
READ = {"prometheus": "/api/v1/label/__name__/values", "alertmanager": "/api/v2/alerts"}
WRITE = [
    ("prometheus", "/api/v1/otlp/v1/metrics"),
    ("prometheus", "/api/v1/write"),
    ("prometheus", "/-/quit"),
    ("prometheus", "/-/reload"),
    ("prometheus", "/api/v1/admin/tsdb/delete_series?match[]=up"),
    ("alertmanager", "/api/v2/silences"),
    ("alertmanager", "/api/v2/alerts"),
]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the real programs are, with the shipped files and flags."""
    with ExitStack() as stack:
        running = stack.enter_context(whole(tmp_path_factory.mktemp("web"), Config()))
        yield {name: f"http://{running.at[name]}" for name in READ}


def headers(url: str, origin: str, data: bytes | None = None) -> tuple[int, Message]:
    """Status and headers of an answer to a page's request that needs no preflight."""
    request = urllib.request.Request(url, data, {"Origin": origin, "Content-Type": "text/plain"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


@pytest.mark.parametrize("name", READ)
def test_no_page_of_another_origin_reads(addresses: dict[str, str], name: str) -> None:
    """The answer lacks the header without which a browser withholds it from the page."""
    status, found = headers(addresses[name] + READ[name], STRANGER)
    assert (status, found["Access-Control-Allow-Origin"]) == (200, None)


def test_grafana_reads_prometheus(addresses: dict[str, str]) -> None:
    """Where a data source has the browser ask."""
    _, found = headers(addresses["prometheus"] + READ["prometheus"], GRAFANA)
    assert found["Access-Control-Allow-Origin"] == GRAFANA


@pytest.mark.parametrize(("name", "path"), WRITE)
def test_no_page_writes(addresses: dict[str, str], name: str, path: str) -> None:
    """What a form can send is refused, whatever the browser says about the answer."""
    status, _ = headers(addresses[name] + path, STRANGER, b"{}")
    assert status >= 400, status
