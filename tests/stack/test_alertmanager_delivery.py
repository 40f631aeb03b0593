"""A real Alertmanager with the generated configuration sends to local stand-ins for the world."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import yaml
from stack.catchers import Posts, http_receiver, mail_server, wait_for
from stack.parts import Part, fetch, free_port

from llm_otel.stack import render
from llm_otel.stack.alertmanager import configuration, files
from llm_otel.stack.alertmanager.receivers import SECRETS_FOLDER, SINK
from llm_otel.stack.config import Config
from llm_otel.stack.notify import SECRETS, Email, Notify

CANARY = "canary-91c4"
ANNOTATIONS = {
    "summary": "25 % of the calls fail",
    "description": "25 % of 480 calls ended in an error, more than 10 %.",
    "value": "25 %",
    "threshold": "10 %",
    "runbook_url": "https://docs.example.com/alerts#llmerrorsharehigh",
    "dashboard_url": "https://grafana.example.com/d/llm-operations",
    "panel_id": "5",
    "completion": CANARY,
}


@dataclass
class World:
    """A running Alertmanager and what it sends to."""

    url: str
    posts: Posts
    mails: list[EmailMessage]

    def tell(self, *, over: bool = False, **labels: str) -> None:
        """Tell Alertmanager that an alert fires, or is over."""
        now = datetime.now(timezone.utc)
        alert = {
            "labels": {"alertname": "LLMErrorShareHigh", "prompt": CANARY, **labels},
            "annotations": ANNOTATIONS,
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            "endsAt": (now if over else now + timedelta(hours=1)).isoformat(),
        }
        body = json.dumps([alert]).encode()
        fetch(f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"})

    def state(self, **labels: str) -> str:
        """What Alertmanager says of the alert with these labels."""
        for each in json.loads(fetch(f"{self.url}/api/v2/alerts")):
            if labels.items() <= each["labels"].items():
                return str(each["status"]["state"])
        return "unknown"

    def sent(self, path: str, model: str, *, over: bool = False) -> Any:
        """The first body at a path that says of a model that its alert fires, or is over."""

        def found() -> Any:
            texts = [(body, json.dumps(body)) for body in self.posts.at(path)]
            wanted = [b for b, text in texts if model in text and ("[RESOLVED]" in text) == over]
            return wanted[0] if wanted else None

        return wait_for(found, f"{path} told of {model}, over: {over}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Alertmanager as shipped, with every receiver; only addresses and waits are the test's."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with ExitStack() as stack:
        posts = stack.enter_context(http_receiver())
        smarthost, mails = stack.enter_context(mail_server())
        home, port = _prepare(folder, posts.url, smarthost), free_port()
        url = f"http://127.0.0.1:{port}"
        stack.enter_context(
            Part(
                "alertmanager",
                [
                    f"--config.file={home / 'test.yml'}",
                    f"--storage.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--cluster.listen-address=",
                ],
                ready=f"{url}/-/ready",
                log=folder / "log",
            )
        )
        yield World(url, posts, mails)


def _prepare(folder: Path, url: str, smarthost: str) -> Path:
    render.write(folder, files(Config()))
    secrets = folder / "secrets"
    secrets.mkdir()
    for receiver, name in SECRETS.items():
        # A newline at the end, as every editor leaves one.
        (secrets / name).write_text(f"{url}/{receiver}\n")
    chosen = {name: True for name in SECRETS if name != "email"}
    mail = Email(
        to="oncall@example.com",
        sender="alerts@example.com",
        smarthost=smarthost,
        require_tls=False,
    )
    text = configuration(Notify(email=mail, **chosen))
    text = text.replace(f"{SECRETS_FOLDER}/", f"{secrets}/").replace(SINK, f"{url}/sink")
    text = re.sub(r"group_wait: \w+", "group_wait: 500ms", text)
    text = re.sub(r"(group_interval|repeat_interval): \w+", r"\1: 1s", text)
    content = yaml.safe_load(text)
    content["global"] = {"pagerduty_url": f"{url}/pagerduty"}
    home = folder / "alertmanager"
    (home / "test.yml").write_text(yaml.safe_dump(content))
    return home


LINK = re.compile(
    r"https://grafana\.example\.com/d/llm-operations\?viewPanel=panel-5&from=\d{13}&to=(now|\d{13})"
    r"&var-model=(?P<model>[\w-]+)&var-service_name=checkout"
)


def _links(text: str) -> set[str]:
    return {found["model"] for found in LINK.finditer(text)}


def test_a_critical_alert_reaches_everyone_with_value_panel_and_runbook(world: World) -> None:
    """Slack, PagerDuty, webhook, Sentry, the page and mail; each says all that is needed."""
    world.tell(severity="critical", component="llm", model="m-page", service_name="checkout")
    bodies = {
        path: world.sent(path, "m-page")
        for path in ("/sink/alerts", "/slack", "/pagerduty", "/webhook", "/sentry")
    }
    for path, body in bodies.items():
        text = json.dumps(body, ensure_ascii=False)
        assert _links(text) == {"m-page"}, (path, text)
        for needed in ("25 %", "10 %", ANNOTATIONS["runbook_url"], ANNOTATIONS["summary"]):
            assert needed in text, (path, text)
    assert not world.posts.at("/slack_telemetry")


def test_pagerduty_gets_an_event_of_version_2(world: World) -> None:
    """The key from the file without its newline, the severity in PagerDuty's words, three links."""
    world.tell(severity="critical", component="llm", model="m-pd", service_name="checkout")
    event = world.sent("/pagerduty", "m-pd")
    assert event["routing_key"] == f"{world.posts.url}/pagerduty"
    assert event["event_action"] == "trigger"
    assert re.fullmatch(r"[0-9a-f]{64}", event["dedup_key"])
    said = event["payload"]
    assert said["summary"] == "[CRITICAL] 25 % of the calls fail"
    assert (said["severity"], said["source"]) == ("critical", "checkout")
    assert (said["class"], said["component"]) == ("LLMErrorShareHigh", "llm")
    assert [link["text"] for link in event["links"]] == ["Panel", "Runbook", "Silence"]
    assert _links(event["links"][0]["href"]) == {"m-pd"}
    (details,) = said["custom_details"]["firing"]
    assert details["annotations"]["value"] == "25 %"
    world.tell(
        over=True, severity="critical", component="llm", model="m-pd", service_name="checkout"
    )
    over = world.sent("/pagerduty", "m-pd", over=True)
    assert (over["event_action"], over["dedup_key"]) == ("resolve", event["dedup_key"])


def test_slack_gets_one_attachment_and_is_told_when_it_is_over(world: World) -> None:
    """Red with the panel behind the title; green later."""
    world.tell(severity="critical", component="llm", model="m-slack", service_name="checkout")
    (attachment,) = world.sent("/slack", "m-slack")["attachments"]
    assert attachment["color"] == "#cf222e"
    assert attachment["title"] == "[CRITICAL] 25 % of the calls fail"
    assert _links(attachment["title_link"]) == {"m-slack"}
    assert "*Value* 25 %  ·  *Threshold* 10 %" in attachment["text"]
    world.tell(
        over=True, severity="critical", component="llm", model="m-slack", service_name="checkout"
    )
    (attachment,) = world.sent("/slack", "m-slack", over=True)["attachments"]
    assert attachment["color"] == "#1a7f37"


def test_sentry_gets_an_event_and_the_webhook_alertmanagers_message(world: World) -> None:
    """Two forms of JSON by the same feature; Sentry is not told when it is over."""
    labels = {"severity": "warning", "component": "llm", "model": "007", "service_name": "checkout"}
    world.tell(**labels)
    event = world.sent("/sentry", '"007"')
    assert (event["level"], event["logger"]) == ("warning", "llm-otel")
    assert event["fingerprint"] == ["llm-otel", "LLMErrorShareHigh", "checkout", "007"]
    message = world.sent("/webhook", '"007"')
    assert (message["version"], message["receiver"]) == ("4", "warning")
    assert message["alerts"][0]["labels"]["model"] == "007", "a label stays text"
    world.tell(over=True, **labels)
    world.sent("/webhook", '"007"', over=True)
    assert not [each for each in world.posts.at("/sentry") if "RESOLVED" in each["message"]]


def test_mail_comes_as_text_and_as_html(world: World) -> None:
    """One mail with a subject that says it, both bodies with the panel and the runbook."""
    world.tell(severity="warning", component="llm", model="m-mail", service_name="checkout")
    (mail,) = wait_for(lambda: [m for m in world.mails if "m-mail" in m.as_string()], "a mail")[:1]
    assert mail["Subject"] == "[WARNING] 25 % of the calls fail"
    assert (mail["To"], mail["From"]) == ("oncall@example.com", "alerts@example.com")
    assert mail["References"], "mails of one group are one conversation"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None, kind
        text = part.get_content().replace("&amp;", "&")
        assert _links(text) == {"m-mail"}, text
        for needed in ("25 %", "10 %", ANNOTATIONS["runbook_url"]):
            assert needed in text, (kind, needed)


def test_the_telemetry_has_its_own_channel(world: World) -> None:
    """What is wrong with the pipeline goes to whoever runs the pipeline."""
    world.tell(severity="warning", component="telemetry", model="m-own", service_name="checkout")
    world.sent("/slack_telemetry", "m-own")
    assert "m-own" not in json.dumps(world.posts.at("/slack"))


def test_the_watchdog_calls_the_heartbeat_and_nobody_else(world: World) -> None:
    """A short body that says nothing, again and again."""
    world.tell(alertname="Watchdog", severity="none", component="telemetry", model="m-dog")
    for path in ("/heartbeat", "/sink/heartbeat"):
        bodies = wait_for(lambda path=path: world.posts.at(path)[1:], f"{path} called twice")
        assert bodies[0] == {"status": "ok"}, path
    for path in ("/sink/alerts", "/webhook", "/slack", "/slack_telemetry", "/pagerduty"):
        assert "m-dog" not in json.dumps(world.posts.at(path)), path


MUTED = {
    "a critical alert mutes the warning on the same model": (
        {"alertname": "A", "severity": "critical", "component": "llm", "model": "m-1"},
        {"alertname": "A", "severity": "warning", "component": "llm", "model": "m-1"},
        {"alertname": "A", "severity": "warning", "component": "llm", "model": "m-2"},
    ),
    "a critical alert leaves another alert on the same model alone": (
        {"alertname": "B", "severity": "critical", "component": "llm", "model": "m-1"},
        {"alertname": "B", "severity": "info", "component": "llm", "model": "m-1"},
        {"alertname": "C", "severity": "warning", "component": "llm", "model": "m-1"},
    ),
    "a critical alert of production leaves staging's warning alone": (
        {"alertname": "E", "severity": "critical", "component": "llm", "model": "m-1",
         "deployment_environment_name": "production"},
        {"alertname": "E", "severity": "warning", "component": "llm", "model": "m-1",
         "deployment_environment_name": "production"},
        {"alertname": "E", "severity": "warning", "component": "llm", "model": "m-1",
         "deployment_environment_name": "staging"},
    ),
    "a silent service mutes what is said of its calls": (
        {"alertname": "LLMTelemetrySilent", "severity": "warning", "component": "telemetry",
         "service_name": "checkout"},
        {"alertname": "D", "severity": "critical", "component": "quality",
         "service_name": "checkout"},
        {"alertname": "D", "severity": "critical", "component": "quality",
         "service_name": "search"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MUTED)
def test_what_follows_from_another_alert_is_muted(case: str, world: World) -> None:
    """The second alert is suppressed by the first, the third is not."""
    source, muted, free = MUTED[case]
    for labels in (source, muted, free):
        world.tell(**labels)
    wait_for(lambda: world.state(**muted) == "suppressed", f"{muted} suppressed")
    wait_for(lambda: world.state(**free) == "active", f"{free} active")
    for labels in (source, muted, free):
        world.tell(over=True, **labels)


def test_a_collector_that_is_down_mutes_all_that_depends_on_it(world: World) -> None:
    """One page instead of twenty: no numbers arrive, so the numbers say nothing."""
    down = {"alertname": "CollectorDown", "severity": "critical", "component": "telemetry"}
    followers = [
        {"alertname": "E", "severity": "critical", "component": component, "service_name": "s"}
        for component in ("llm", "cost", "quality")
    ]
    silent = {"alertname": "LLMTelemetrySilent", "severity": "warning", "component": "telemetry",
              "service_name": "s"}  # fmt: skip
    own = {"alertname": "F", "severity": "warning", "component": "telemetry"}
    for labels in (down, *followers, silent, own):
        world.tell(**labels)
    for labels in (*followers, silent):
        wait_for(lambda labels=labels: world.state(**labels) == "suppressed", f"{labels} muted")
    wait_for(lambda: world.state(**own) == "active", f"{own} active")
    world.tell(over=True, **down)
    world.tell(over=True, **silent)
    wait_for(lambda: world.state(**followers[0]) == "active", "active once the Collector is back")


def test_nothing_that_was_sent_holds_content(world: World) -> None:
    """Each alert above had a prompt among its labels and a completion among its annotations."""
    everything = json.dumps(world.posts.everything()) + "".join(
        part.get_content() for mail in world.mails for part in mail.iter_parts()
    )
    assert ANNOTATIONS["summary"] in everything
    assert CANARY not in everything


def test_every_message_was_delivered(world: World) -> None:
    """Alertmanager counts no failure, so the alert on failed notifications stays quiet."""
    lines = fetch(f"{world.url}/metrics").decode().splitlines()
    failed = [
        line
        for line in lines
        if line.startswith("alertmanager_notifications_failed_total") and not line.endswith(" 0")
    ]
    assert not failed, failed
