"""Alertmanager's configuration: valid, routed as promised, chosen by `notify:`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from string import Formatter

import pytest
import yaml
from docs.markdown import Block, blocks, code
from stack.parts import ROOT, program

from llm_otel.errors import ConfigError
from llm_otel.stack import render
from llm_otel.stack.alertmanager import EVERYTHING, configuration, files, template
from llm_otel.stack.config import Config
from llm_otel.stack.notify import SECRETS, Email, Notify
from llm_otel.stack.prometheus.alerts import ALERTS

MAIL = Email(to="a@example.com", sender="b@example.com", smarthost="mail.example.com:587")
CHOICES = {
    "nothing chosen": Notify(),
    "everything": EVERYTHING,
    "slack": Notify(slack=True),
    "slack for the telemetry": Notify(slack_telemetry=True),
    "pagerduty": Notify(pagerduty=True),
    "webhook": Notify(webhook=True, sink=False),
    "sentry": Notify(sentry=True),
    "heartbeat": Notify(heartbeat=True),
    "email": Notify(email=MAIL),
}


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run amtool."""
    command = [program("amtool"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Alertmanager's files as they are by default."""
    folder = tmp_path_factory.mktemp("stack")
    render.write(folder, files(Config()))
    return folder / "alertmanager"


def test_the_committed_files_are_the_generated_ones() -> None:
    """Whoever changes the source runs the generator."""
    assert render.stale(ROOT, files(Config())) == []


@pytest.mark.parametrize("name", CHOICES)
def test_alertmanager_takes_every_choice(name: str, written: Path) -> None:
    """A valid configuration comes out of every choice, without any secret being there."""
    path = written / "chosen.yml"
    path.write_text(configuration(CHOICES[name]))
    checked = amtool("check-config", path)
    assert checked.returncode == 0, checked.stderr + checked.stdout
    assert "templates" in checked.stdout, checked.stdout


def test_without_a_choice_everything_goes_to_the_page_and_nothing_needs_a_secret() -> None:
    """The stack starts without any credential."""
    text = configuration(Notify())
    read = yaml.safe_load(text)
    assert "/run/secrets" not in text
    for receiver in read["receivers"]:
        (way,) = receiver["webhook_configs"]
        assert way["url"].startswith("http://notifications:8025/"), receiver


ROUTES = {
    "severity=critical component=llm": "critical",
    "severity=warning component=llm": "warning",
    "severity=info component=cost": "info",
    "severity=critical component=cost": "critical",
    "severity=warning component=quality": "warning",
    "severity=critical component=telemetry": "telemetry-critical",
    "severity=warning component=telemetry": "telemetry",
    "severity=info component=telemetry": "telemetry",
    "alertname=Watchdog": "heartbeat",
    "alertname=Watchdog severity=none component=telemetry": "heartbeat",
    "alertname=YourOwn": "warning",
    "alertname=YourOwn severity=page": "warning",
}


@pytest.mark.parametrize("labels", ROUTES)
def test_an_alert_takes_its_route(labels: str, written: Path) -> None:
    """Severity and component say who is told."""
    where = f"--config.file={written / 'alertmanager.yml'}"
    wanted = f"--verify.receivers={ROUTES[labels]}"
    routed = amtool("config", "routes", "test", where, wanted, *labels.split())
    assert routed.returncode == 0, f"{labels}: {routed.stdout}{routed.stderr}"


# Which kinds of message each receiver sends, with all of them chosen.
WAYS = {
    "critical": {"email": 1, "pagerduty": 1, "slack": 1, "webhook": 3},
    "warning": {"email": 1, "slack": 1, "webhook": 3},
    "info": {"email": 1, "webhook": 2},
    "telemetry-critical": {"email": 1, "pagerduty": 1, "slack": 1, "webhook": 3},
    "telemetry": {"email": 1, "slack": 1, "webhook": 3},
    "heartbeat": {"webhook": 2},
}


def test_only_what_is_critical_pages() -> None:
    """Nobody is woken by a warning."""
    read = yaml.safe_load(configuration(EVERYTHING))
    found = {
        each["name"]: {
            kind.removesuffix("_configs"): len(ways)
            for kind, ways in each.items()
            if kind != "name"
        }
        for each in read["receivers"]
    }
    assert found == WAYS


def test_the_telemetry_has_a_channel_of_its_own_only_where_one_is_chosen() -> None:
    """Without one, its messages go where all the others go."""

    def channel(notify: Notify) -> str:
        read = yaml.safe_load(configuration(notify))
        (found,) = [each for each in read["receivers"] if each["name"] == "telemetry"]
        return str(found["slack_configs"][0]["api_url_file"])

    assert channel(Notify(slack=True)) == "/run/secrets/slack_webhook_url"
    both = Notify(slack=True, slack_telemetry=True)
    assert channel(both) == "/run/secrets/slack_telemetry_webhook_url"


def test_waits_are_as_promised() -> None:
    """One message for what belongs together, soon; a reminder after four hours."""
    route = yaml.safe_load(configuration(Notify()))["route"]
    assert route["group_by"] == [
        "alertname", "deployment_environment_name", "service_name", "model",
    ]  # fmt: skip
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == (
        "30s",
        "5m",
        "4h",
    )
    (heartbeat,) = [each for each in route["routes"] if each["receiver"] == "heartbeat"]
    assert heartbeat["repeat_interval"] == "5m"


def test_the_alerts_that_mute_others_exist() -> None:
    """A name that no alert has would mute nothing, and nobody would notice."""
    rules = yaml.safe_load(configuration(Notify()))["inhibit_rules"]
    matchers = [m for rule in rules for m in rule["source_matchers"] + rule["target_matchers"]]
    named = {m.split('"')[1] for m in matchers if m.startswith("alertname=")}
    names = {alert.name: alert.component for alert in ALERTS}
    assert {names.get(name) for name in named} == {"telemetry"}, named


def test_what_an_alert_speaks_of_may_leave() -> None:
    """Each label in an alert's texts stands in its messages too."""
    (line,) = [line for line in template("json").splitlines() if "$sep }}{{ .Name" in line][:1]
    allowed = re.split(r"[()|]", line.split("match")[1])
    texts = {"value", "usd", "threshold", "window", "minimum", "history"}
    for alert in ALERTS:
        spoken = [name for _, name, _, _ in Formatter().parse(alert.summary) if name]
        missing = {*spoken, *alert.labels} - texts - {*allowed}
        assert not missing, f"{alert.name}: {missing}"


def _load(tmp_path: Path, text: str) -> Notify:
    path = tmp_path / "llm-otel.yaml"
    path.write_text(text)
    return Config.load(path).notify


def test_the_file_chooses_receivers(tmp_path: Path) -> None:
    """A few lines of YAML, no secret among them."""
    notify = _load(
        tmp_path,
        "notify:\n"
        "  slack: true\n"
        "  email: {to: [a@example.com, b@example.com], from: c@example.com,\n"
        "          smarthost: 'mail.example.com:587', username: me}\n",
    )
    assert notify == Notify(
        slack=True,
        email=Email(
            to="a@example.com, b@example.com",
            sender="c@example.com",
            smarthost="mail.example.com:587",
            username="me",
        ),
    )
    assert notify.secrets() == (SECRETS["slack"], SECRETS["email"])


NOBODY = (
    "notify: a warning would reach nobody; leave the sink on, or choose slack, webhook or email."
)
DOCUMENTED = blocks(ROOT / "docs" / "notifications.md", "yaml")


@pytest.mark.parametrize("block", DOCUMENTED, ids=str)
def test_the_documented_choices_are_taken(block: Block, tmp_path: Path) -> None:
    """What the page shows can be copied."""
    assert _load(tmp_path, block.text) != Notify()


def test_every_receiver_is_documented() -> None:
    """With the file that it needs."""
    text = code(ROOT / "docs" / "notifications.md")
    assert not [name for pair in SECRETS.items() for name in pair if name not in text]


WRONG = {
    "notify: {slak: true}": "notify: the key slak is unknown; did you mean slack?",
    "notify: {slack: yes please}": "notify.slack must be true or false, not 'yes please'.",
    "notify: [slack]": "notify must be a map, not list.",
    "notify: {sink: false}": NOBODY,
    "notify: {sink: false, pagerduty: true}": NOBODY,
    "notify: {email: {to: a@example.com}}": "notify.email needs from: one mail address.",
    "notify: {email: {to: a, from: b@example.com, smarthost: 'c:25'}}": "notify.email.to must be "
    "one or more mail addresses, not 'a'.",
    "notify: {email: {to: a@b.c, from: b@b.c, smarthost: mail}}": "notify.email.smarthost must be "
    "a mail server such as smtp.example.com:587, not 'mail'.",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_gets_one_sentence(text: str, tmp_path: Path) -> None:
    """What is wrong, where, and what would be right."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path / 'llm-otel.yaml'}: {WRONG[text]}"
