"""`llm-otel doctor` on a stack of real programs, whole and with each thing broken."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from stack.doctor_stage import Stage, Web, grafana_pages, stage
from stack.parts import fetch, free_port

from llm_otel import semconv
from llm_otel.cli.group import group
from llm_otel.stack import panels
from llm_otel.stack.doctor import endpoints, grafana, pipeline, watching
from llm_otel.stack.doctor.examination import Question, examine
from llm_otel.stack.doctor.grafana import DATASOURCES
from llm_otel.stack.doctor.result import Result as Found
from llm_otel.stack.doctor.result import State


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stack, running."""
    with stage(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(autouse=True)
def healed(stack: Stage) -> Iterator[None]:
    """What a test breaks is whole again after it."""
    yield
    stack.grafana.pages = grafana_pages()
    stack.tempo.pages["/ready"] = (200, "ready")
    stack.tempo.loses = False


def doctor(stack: Stage, folder: Path, *arguments: str) -> Result:
    """Run the command against the running stack, from an empty folder."""
    urls = [word for key, url in stack.urls.items() for word in ("--url", f"{key}={url}")]
    return CliRunner().invoke(group, ["doctor", "--folder", str(folder), *urls, *arguments])


def failures(found: Iterator[Found]) -> list[Found]:
    return [each for each in found if each.state is State.FAILED]


def test_a_healthy_stack(stack: Stage, tmp_path: Path) -> None:
    """Everything is checked, a span and a metric go through, and the exit code is 0."""
    ran = doctor(stack, tmp_path, "--json")
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.output)
    assert told["ok"] is True
    areas = {each["area"] for each in told["checks"] if each["state"] == "ok"}
    assert areas == {"services", "pipeline", "alerts", "grafana"}, told
    text = " ".join(each["text"] for each in told["checks"])
    for expected in (
        "over gRPC",
        "over HTTP",
        "out of the lake",
        "Watchdog" if "Watchdog" in text else "always fires",
    ):
        assert expected in text


def test_one_line_each(stack: Stage, tmp_path: Path) -> None:
    """Each check is one line with a mark; the last line counts them."""
    ran = doctor(stack, tmp_path)
    *checks, empty, last = ran.output.splitlines()
    assert all(re.match(r"[✓!] [A-Z]", line) for line in checks), ran.output
    assert empty == ""
    assert last == f"{len(checks)} checks: 0 failed, 1 worth a look."


def test_the_test_signals_disturb_nothing(stack: Stage) -> None:
    """The metric counts nothing, and says whose it is."""
    assert not failures(pipeline.check(stack.urls, 20))
    name = semconv.INTERNAL_ERRORS.prometheus
    answer = fetch(f"{stack.urls['prometheus']}/api/v1/query?query={name}")
    (series,) = json.loads(answer)["data"]["result"]
    assert series["metric"]["service_name"] == pipeline.SERVICE
    assert series["value"][1] == "0"


def test_a_lost_span_is_noticed(stack: Stage) -> None:
    """A span that the Collector takes and Tempo does not have is a failure, for each way in."""
    stack.tempo.loses = True
    found = failures(pipeline.check(stack.urls, 1))
    assert [each.text for each in found if "Tempo" in each.text] == [
        "A span over gRPC was taken and is not in Tempo after 1 s",
        "A span over HTTP was taken and is not in Tempo after 1 s",
    ]


def test_a_span_that_is_not_in_the_lake(stack: Stage, web: Web) -> None:
    """What Tempo has and the lake has not is a failure of its own, for each way in."""
    web.pages["/csv/spans"] = (200, "Span,Depth\r\n")
    found = failures(pipeline.check({**stack.urls, "analytics": web.url}, 3))
    assert [each.text for each in found] == [
        "A span over gRPC was taken and is not in the lake after 3 s",
        "A span over HTTP was taken and is not in the lake after 3 s",
    ]


def test_without_analytics(stack: Stage) -> None:
    """Where nothing is sent to it, nobody asks for it."""
    urls = {key: url for key, url in stack.urls.items() if key != "analytics"}
    assert endpoints.addresses({}, urls) == urls
    asked = [each.key for each, _ in endpoints.services(urls)]
    assert "analytics" not in asked
    assert len(asked) == 6


def test_nothing_runs(tmp_path: Path) -> None:
    """Without a stack each service has its line, which says how to start it; the exit code is 1."""
    urls = [f"{each.key}=http://127.0.0.1:{free_port()}" for each in endpoints.ENDPOINTS]
    words = [word for url in urls for word in ("--url", url)]
    ran = CliRunner().invoke(group, ["doctor", "--folder", str(tmp_path), *words])
    assert ran.exit_code == 1
    assert "✗ Grafana does not answer at" in ran.output
    assert "docker compose up -d grafana." in ran.output
    assert "✗ The Collector takes no span over gRPC: UNAVAILABLE" in ran.output
    assert "Traceback" not in ran.output


def test_a_service_that_is_not_ready(stack: Stage) -> None:
    """A service that says itself that it is not ready is quoted."""
    stack.tempo.pages["/ready"] = (503, "Ingester not ready: waiting for 15s")
    found = failures(each for _, each in endpoints.services(stack.urls))
    assert [each.text for each in found] == [
        "Tempo is not ready: 503 Ingester not ready: waiting for 15s"
    ]


@pytest.mark.parametrize("status", [200, 404])
def test_another_program_at_the_address(stack: Stage, web: Web, status: int) -> None:
    """What answers and is not ours is told from what is not ready."""
    web.pages["/api/health"] = (status, "<h1>Metabase</h1>")
    found = failures(each for _, each in endpoints.services({**stack.urls, "grafana": web.url}))
    assert [each.text for each in found] == [
        f"What answers at {web.url} is not Grafana: {status} <h1>Metabase</h1>"
    ]
    assert "another port in .env" in found[0].todo


def _without(path: str) -> Callable[[Web], None]:
    return lambda web: web.pages.update({path: (500, '{"message": "plugin unavailable"}')})


BROKEN_GRAFANA: dict[str, tuple[Callable[[Web], None], str]] = {
    **{
        uid: (_without(path), f"Grafana gets no data from {uid}: 500")
        for uid, path in DATASOURCES.items()
    },
    "dashboard": (
        _without(f"/api/dashboards/uid/{panels.COST}"),
        f"The dashboard {panels.COST} is not there: 500",
    ),
    "unlisted": (
        lambda web: web.pages.update({"/api/search": (200, "[]")}),
        f"The dashboard {panels.OPERATIONS} is not there: 200",
    ),
    "empty": (
        lambda web: web.pages.update(
            {f"/api/dashboards/uid/{panels.QUALITY}": (200, '{"dashboard": {"panels": []}}')}
        ),
        f"The dashboard {panels.QUALITY} is empty",
    ),
    "home": (
        lambda web: web.pages.update({"/api/dashboards/home": (200, '{"redirectUri": "/x"}')}),
        f"The first page is not {panels.OPERATIONS}",
    ),
    "login": (
        lambda web: web.pages.update({"/api/search": (401, '{"message": "Unauthorized"}')}),
        "Grafana lets nobody look without a login",
    ),
}


@pytest.mark.parametrize("name", BROKEN_GRAFANA)
def test_grafana_broken(stack: Stage, name: str) -> None:
    """Each thing that Grafana lacks is named, with what it answered."""
    break_, expected = BROKEN_GRAFANA[name]
    break_(stack.grafana)
    found = failures(grafana.check(stack.grafana.url, {}))
    assert found
    assert found[0].text.startswith(expected), found
    assert all(each.todo for each in found)


def test_a_password_is_used(stack: Stage, tmp_path: Path) -> None:
    """With a password in a file the doctor logs in; the password is not printed."""
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    ran = doctor(stack, tmp_path, "--grafana-password-file", str(password))
    assert ran.exit_code == 0, ran.output
    assert set(stack.grafana.logins) == {"Basic YWRtaW46Y29ycmVjdCBob3JzZQ=="}
    assert "horse" not in ran.output


TARGET = {"labels": {"job": "tempo"}, "health": "down", "lastError": "connection refused"}
RULE = {"name": "LLMErrors", "health": "err"}


def _prometheus(web: Web, targets: object, rules: object) -> None:
    web.pages.update(
        {
            "/-/ready": (200, "Prometheus Server is Ready."),
            "/api/v1/targets": (200, json.dumps({"data": {"activeTargets": targets}})),
            "/api/v1/rules": (200, json.dumps({"data": {"groups": rules}})),
            "/api/v2/alerts": (200, "[]"),
        }
    )


@pytest.mark.parametrize(
    ("targets", "rules", "expected"),
    [
        ([TARGET], [], "Prometheus gets nothing from tempo: connection refused"),
        ([], [], "Prometheus watches nothing"),
        ([], [], "Prometheus has no rules"),
        ([], [{"rules": [RULE]}], "Rules fail: LLMErrors"),
        ([], [], "The alert that always fires (Watchdog) is not in Alertmanager"),
    ],
)
def test_alerting_broken(web: Web, targets: object, rules: object, expected: str) -> None:
    """A part that nobody watches, a rule that fails, and a lost alert are named."""
    _prometheus(web, targets, rules)
    where = {"prometheus": web.url, "alertmanager": web.url}
    assert expected in [each.text for each in failures(watching.check(where, 0))]


@pytest.mark.parametrize("url", ["grafana=localhost:3000", "grafana", "loki=http://127.0.0.1:1"])
def test_a_wrong_address_is_wrong_usage(tmp_path: Path, url: str) -> None:
    """An address that cannot be meant is refused with what is allowed."""
    ran = CliRunner().invoke(group, ["doctor", "--folder", str(tmp_path), "--url", url])
    assert ran.exit_code == 2, ran.output
    told = " ".join(ran.output.replace("│", " ").split())
    assert "write grafana=http://HOST:PORT" in told or "is none of collector, otlp-grpc" in told


def test_to_strangers_nothing_is_sent(
    stack: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a compose file the owner of a default port gets no signal and no password."""
    monkeypatch.setattr(pipeline, "check", lambda *_: pytest.fail("a signal was sent"))
    named = {k: v for k, v in stack.urls.items() if not k.startswith(("otlp", "grafana"))}
    question = Question(tmp_path, named, password="secret", seconds=20)
    monkeypatch.setattr(
        endpoints, "addresses", lambda _, given: {**stack.urls, **given}
    )  # as if the stack had the default ports
    before = len(stack.grafana.logins)
    text = " ".join(each.text for each in examine(question))
    assert "Nothing was sent: no compose file says" in text
    assert "always fires" in text
    assert len(stack.grafana.logins) == before


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("n", False), ("", False)])
def test_a_terminal_is_asked(
    stack: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, sent: bool
) -> None:
    """Whoever says yes, or gives the flag, has the signals sent."""
    asked = []
    monkeypatch.setattr(endpoints, "addresses", lambda *_: stack.urls)
    monkeypatch.setattr(pipeline, "check", lambda *_: asked.append(True) or iter(()))
    monkeypatch.setattr("llm_otel.cli.doctor._is_terminal", lambda: True)
    runner = CliRunner()
    arguments = ["doctor", "--folder", str(tmp_path)]
    ran = runner.invoke(group, arguments, input=f"{answer}\n")
    assert "Send test signals to whatever has the default ports?" in ran.output
    assert bool(asked) is sent
    asked.clear()
    assert "Send test signals" not in runner.invoke(group, [*arguments, "--send"]).output
    assert asked
