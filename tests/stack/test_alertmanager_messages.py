"""What each message looks like, rendered by amtool from the committed templates."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.markdown import blocks
from stack.parts import ROOT, program

from llm_otel.stack.panels import VARIABLES

LABELS = {
    "alertname": "LLMErrorShareHigh",
    "severity": "critical",
    "component": "llm",
    "service_name": "checkout",
    "model": "gpt-4o",
    "provider": "openai",
    "tenant_id": "acme",
    "feature": "search",
}
ANNOTATIONS = {
    "summary": "25 % of the calls to gpt-4o fail",
    "description": "Of 480 calls in 10 minutes, 25 % ended in an error, more than 10 %.",
    "value": "25 %",
    "threshold": "10 %",
    "runbook_url": "https://docs.example.com/alerts#llmerrorsharehigh",
    "dashboard_url": "https://grafana.example.com/d/llm-operations",
    "panel_id": "5",
}
PANEL = "https://grafana.example.com/d/llm-operations?viewPanel=panel-5"
RULE = "http://prometheus.example.com/graph?g0.expr=up"
SILENCE = (
    "http://alertmanager.example.com/#/silences/new?filter="
    "%7Balertname%3D%22LLMErrorShareHigh%22%2Cmodel%3D%22gpt-4o%22%7D"
)
# 10:00 UTC less one hour; 11:00 UTC and ten minutes
FROM, UNTIL = 1795251600000, 1795259400000
CHOSEN = (
    "&var-feature=search&var-model=gpt-4o&var-provider=openai"
    "&var-service_name=checkout&var-tenant_id=acme"
)
LINK = f"{PANEL}&from={FROM}&to=now{CHOSEN}"
CANARY = "canary-7f3a"


def alert(**changes: Any) -> dict[str, Any]:
    """One alert as Alertmanager gives it to templates."""
    return {
        "status": "firing",
        "labels": LABELS,
        "annotations": ANNOTATIONS,
        "startsAt": "2026-11-21T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": RULE,
        "fingerprint": "f00d",
        **changes,
    }


def resolved(**changes: Any) -> dict[str, Any]:
    """One alert that is over."""
    return alert(status="resolved", endsAt="2026-11-21T11:00:00Z", **changes)


def message(*alerts: dict[str, Any]) -> dict[str, Any]:
    """A notification as Alertmanager gives it to templates."""
    common = {
        name: value
        for name, value in alerts[0]["labels"].items()
        if all(each["labels"].get(name) == value for each in alerts)
    }
    return {
        "receiver": "critical",
        "status": "firing" if any(a["status"] == "firing" for a in alerts) else "resolved",
        "alerts": list(alerts),
        "groupLabels": {"alertname": "LLMErrorShareHigh", "model": "gpt-4o"},
        "commonLabels": common,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.com",
    }


BARE = alert(labels={"alertname": "YourOwn"}, annotations={})
OTHER = {**LABELS, "model": "o3", "tenant_id": "none"}
NASTY = alert(
    labels={**LABELS, "model": 'a: b, "c" <!channel> </script> & {{ . }}\x07\u202e\n\ufeff💥'},
    annotations={
        **ANNOTATIONS,
        "summary": "<img src=x onerror=alert(1)> & 'more' `x`",
        "dashboard_url": 'javascript:alert("1")',
        "runbook_url": 'https://x.example.com/"><script>|a>',
    },
)
# Both have the form of what the Collector lets through.
CALLING, LINKING = "@channel", "https://evil.example/login"
LEAKY = alert(
    labels={**LABELS, "prompt": CANARY, "user_id": CANARY, "gen_ai_input_messages": CANARY},
    annotations={**ANNOTATIONS, "completion": CANARY, "exemplar": CANARY},
)
# As long as labels of the library may be, and longer than any.
LONG = {name: f"{name}-".ljust(64, "x") for name in ("deployment_environment_name", *LABELS)}
LONG |= {"severity": "critical", "component": "cost", "alertname": "LLMErrorShareHigh"}
LONGEST = dict.fromkeys((*LONG, "operation", "kind", "evaluation", "what", "why"), "y" * 2000)
WORDY = {
    **ANNOTATIONS,
    **dict.fromkeys(("summary", "description", "value", "threshold"), "z" * 900),
}
PAST = {**ANNOTATIONS, "resolved": "25 % of the calls to gpt-4o failed"}
RULES = [
    rule
    for text in (ROOT / "prometheus" / "alerts").glob("*.yaml")
    for group in yaml.safe_load(text.read_text())["groups"]
    for rule in group["rules"]
]


def _grouped(alerts: list[dict[str, Any]]) -> dict[str, Any]:
    by = ("alertname", "deployment_environment_name", "service_name", "model")
    return {**message(*alerts), "groupLabels": {name: alerts[0]["labels"][name] for name in by}}


CASES: dict[str, dict[str, Any]] = {
    "firing": message(alert()),
    "resolved": message(resolved()),
    "several": message(resolved(), alert(), alert(labels=OTHER)),
    "bare": message(BARE),
    "nasty": message(NASTY),
    "calling": message(alert(labels={**LABELS, "model": CALLING, "tenant_id": LINKING})),
    "leaky": message(LEAKY),
    "long": _grouped([alert(labels=LONG, annotations=WORDY)] * 9),
    "longest": _grouped([alert(labels=LONGEST, annotations=WORDY)] * 9),
    "hundreds": _grouped([alert(labels=LONGEST, annotations=WORDY)] * 300),
    "past": message(resolved(annotations=PAST)),
    "past_of_two": message(resolved(annotations=PAST), resolved(annotations=PAST)),
    "staging": message(alert(labels={**LABELS, "deployment_environment_name": "staging"})),
    "many": message(*(alert(labels={**LABELS, "tenant_id": f"t{n}"}) for n in range(14))),
    "documented": message(
        alert(labels={k: LABELS[k] for k in LABELS if k not in ("tenant_id", "feature")})
    ),
    **{
        component: message(alert(labels={**LABELS, "component": component}))
        for component in ("cost", "quality")
    },
}
TEXTS = ("title", "slack.title", "slack.text", "email.text")
DOCUMENTS = ("json.webhook", "json.sentry", "json.title")


def _call(template: str) -> str:
    if template == "pagerduty.firing":
        return '{{ template "llm.pagerduty.alerts" .Alerts.Firing }}'
    return f'{{{{ template "llm.{template}" . }}}}'


class Rendered:
    """Renders templates with amtool, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, template: str, case: str) -> str:
        """What a template of ours makes of a case."""
        if (template, case) not in self._known:
            self._known[template, case] = self._render(template, case)
        return self._known[template, case]

    def _render(self, template: str, case: str) -> str:
        data = self._folder / f"{case}.json"
        data.write_text(json.dumps(CASES[case]))
        ran = subprocess.run(
            [
                *(program("amtool"), "template", "render"),
                f"--template.glob={ROOT / 'alertmanager' / 'templates' / '*.tmpl'}",
                f"--template.data={data}",
                f"--template.type={'html' if template.endswith('html') else 'text'}",
                f"--template.text={_call(template)}",
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, f"{template}, {case}: {ran.stderr}"
        # How long ago it began depends on when the test runs.
        return re.sub(r"\((?:\d+[dhms] )+ago\)", "(2m 30s ago)", ran.stdout)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The templates of this module's cases."""
    return Rendered(tmp_path_factory.mktemp("cases"))


def document(text: str) -> Any:
    """A document as Alertmanager reads it (YAML), which must be what every other reads (JSON)."""
    read = json.loads(text)
    assert yaml.safe_load(text) == read
    return read


class Page(HTMLParser):
    """The words and links of a mail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = [""]
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        if self.tags[-1] != "style" and data.strip():
            self.words.append(data.strip())


TITLES = {
    "firing": "[CRITICAL] 25 % of the calls to gpt-4o fail",
    "resolved": "[RESOLVED] 25 % of the calls to gpt-4o fail",
    "several": "[CRITICAL] 25 % of the calls to gpt-4o fail (+1 more)",
    "bare": "[ALERT] YourOwn",
    "nasty": "[CRITICAL] <img src=x onerror=alert(1)> & 'more' `x`",
}


@pytest.mark.parametrize("case", TITLES)
def test_the_title_says_how_bad_it_is_and_what_it_is(case: str, rendered: Rendered) -> None:
    """The subject of a mail, a page or an issue is enough to decide whether to get up."""
    assert rendered("title", case) == TITLES[case]
    assert document(rendered("json.title", case)) == TITLES[case]


SLACK = {
    "firing": f"""\
Of 480 calls in 10 minutes, 25 % ended in an error, more than 10 %.
*Value* 25 %  ·  *Threshold* 10 %
*Since* 21 Nov 2026, 10:00 UTC (2m 30s ago)
service_name=checkout  ·  provider=openai
<{LINK}|Open panel>  ·  <{ANNOTATIONS["runbook_url"]}|Runbook>

<{SILENCE}|Silence these>""",
    "resolved": f"""\
*Last value* 25 %  ·  *Threshold* 10 %
*Fired* 21 Nov 2026, 10:00 to 11:00 UTC (1h 0m 0s)
service_name=checkout  ·  provider=openai
<{PANEL}&from={FROM}&to={UNTIL}{CHOSEN}|Open panel>  ·  <{ANNOTATIONS["runbook_url"]}|Runbook>

""",
    "bare": f"""\
*Since* 21 Nov 2026, 10:00 UTC (2m 30s ago)
<{RULE}|Open panel>

<{SILENCE}|Silence these>""",
}
WHERE = "feature=search  ·  model=gpt-4o  ·  provider=openai  ·  service_name=checkout"
WHERE += "  ·  tenant_id=acme"


@pytest.mark.parametrize("case", SLACK)
def test_slack_shows_value_threshold_panel_and_runbook(case: str, rendered: Rendered) -> None:
    """The text of a Slack message."""
    expected = SLACK[case].replace("service_name=checkout  ·  provider=openai", WHERE)
    assert rendered("slack.text", case) == expected


def test_slack_marks_the_severity_by_colour(rendered: Rendered) -> None:
    """Red for critical, green when it is over, blue for what has no severity."""
    colours = {case: rendered("slack.color", case) for case in ("firing", "resolved", "bare")}
    assert colours == {"firing": "#cf222e", "resolved": "#1a7f37", "bare": "#0969da"}


def test_several_alerts_come_firing_first(rendered: Rendered) -> None:
    """What still burns stands above what is over, in each message that lists alerts."""
    for template in ("slack.text", "email.text"):
        lines = rendered(template, "several").splitlines()
        states = [line.strip("*").split("]")[0] for line in lines if line.startswith(("*[", "["))]
        assert states == ["[CRITICAL", "[CRITICAL", "[RESOLVED"], (template, lines)
    words = Page(rendered("email.html", "several")).words
    states = [word for word in words if word in ("CRITICAL", "RESOLVED")]
    assert states == ["CRITICAL", "CRITICAL", "RESOLVED"], words
    assert "var-model=gpt-4o" in rendered("first.panel", "several")


def test_slack_stops_after_six(rendered: Rendered) -> None:
    """A hundred tenants over budget do not make a wall of text."""
    text = rendered("slack.text", "many")
    assert text.count("*[CRITICAL]") == 6
    assert text.count("Open panel") == 1
    assert "… and 8 more" in text


def test_slack_stays_within_its_limit(rendered: Rendered) -> None:
    """3,000 characters of a text, whatever labels and annotations say; links are whole."""
    for case in ("long", "longest", "many"):
        text = rendered("slack.text", case)
        assert len(text) <= 3000, f"{case}: {len(text)} characters\n{text}"
        assert "|Open panel>" in text
        assert text.count("<") == text.count("|") == text.count(">"), text
    assert "Silence these" in rendered("slack.text", "long")
    # Half of a label would silence more than the message is about.
    assert "Silence" not in rendered("slack.text", "longest")


def test_pagerduty_stays_within_its_limits(rendered: Rendered) -> None:
    """1,024 characters of a summary, 255 of a field, 512 KB of an event."""
    for case in ("long", "longest", "hundreds"):
        assert len(rendered("title", case)) <= 1024
        for field in ("source", "class", "component"):
            assert len(rendered(f"pagerduty.{field}", case)) <= 255, (case, field)
    details = rendered("pagerduty.firing", "hundreds")
    assert len(document(details)) == 20
    assert len(details.encode()) < 400_000


def test_what_is_over_is_told_in_the_past_tense(rendered: Rendered) -> None:
    """No message of a resolved alert says that calls fail: they failed."""
    for template in ("title", "slack.title", "email.text", "email.html", "json.title"):
        text = rendered(template, "past")
        assert "of the calls to gpt-4o failed" in text, text
        assert "ended in an error" not in text, text
    assert "calls to gpt-4o failed" in rendered("slack.text", "past_of_two")


def test_every_alert_has_both_tenses() -> None:
    """`resolved` differs from `summary` wherever the summary's verb is in the present tense."""
    present = re.compile(r"\b(is|are|has|does|do|will|fail|lacks|gets|runs|holds|reports)\b")
    for rule in RULES:
        texts = rule["annotations"]
        if "resolved" in texts:
            assert not present.search(re.sub(r"\{\{.*?\}\}", "", texts["resolved"])), texts


def test_the_mail_as_text(rendered: Rendered) -> None:
    """For those who read mail without HTML."""
    assert (
        rendered("email.text", "resolved")
        == f"""\
[RESOLVED] 25 % of the calls to gpt-4o fail

Value:     25 %
Threshold: 10 %
Where:     feature=search
           model=gpt-4o
           provider=openai
           service_name=checkout
           tenant_id=acme
Fired:     21 Nov 2026, 10:00 to 11:00 UTC (1h 0m 0s)
Panel:     {PANEL}&from={FROM}&to={UNTIL}{CHOSEN}
Runbook:   {ANNOTATIONS["runbook_url"]}

----------------------------------------
Silence:   {SILENCE}
"""
    )


def test_the_documentation_shows_a_mail_as_it_is(rendered: Rendered) -> None:
    """The example is what the template makes."""
    shown = rendered("email.text", "documented").split("\n---")[0].rstrip()
    examples = [block.text for block in blocks(ROOT / "docs" / "notifications.md", "")]
    assert shown + "\n" in examples, shown


def test_the_mail_as_html(rendered: Rendered) -> None:
    """The same, to be read on a phone; nothing is fetched to show it."""
    text = rendered("email.html", "firing")
    page = Page(text)
    assert page.words == [
        "[CRITICAL] 25 % of the calls to gpt-4o fail",
        "CRITICAL",
        "25 % of the calls to gpt-4o fail",
        ANNOTATIONS["description"],
        *("Value", "25 %", "Threshold", "10 %"),
        *("feature", "search", "model", "gpt-4o", "provider", "openai"),
        *("service_name", "checkout", "tenant_id", "acme"),
        *("since", "21 Nov 2026, 10:00 UTC (2m 30s ago)"),
        *("Open panel", "Runbook", "Sent by Alertmanager ·", "silence this group"),
    ]
    assert page.links == [LINK, ANNOTATIONS["runbook_url"], SILENCE]
    assert 'name="viewport"' in text
    assert not {"img", "script", "link", "iframe"} & set(page.tags), page.tags
    assert "ZgotmplZ" not in text, "a value was filtered by the HTML template"


def test_the_webhook_is_alertmanagers_with_links(rendered: Rendered) -> None:
    """Whoever reads version 4 reads this; a link to the panel is in each alert."""
    read = document(rendered("json.webhook", "firing"))
    assert (read["version"], read["status"], read["receiver"]) == ("4", "firing", "critical")
    assert read["silenceURL"] == SILENCE
    assert read["groupLabels"] == {"alertname": "LLMErrorShareHigh", "model": "gpt-4o"}
    assert read["alerts"] == [{**alert(), "panelURL": LINK}]


def test_sentry_gets_an_event_of_its_own_form(rendered: Rendered) -> None:
    """Level, fingerprint and tags are what Sentry groups and searches by."""
    event = document(rendered("json.sentry", "several"))
    assert event["platform"] == "other"
    assert event["level"] == "fatal"
    assert event["message"] == TITLES["several"]
    assert event["fingerprint"] == ["llm-otel", "LLMErrorShareHigh", "checkout", "gpt-4o"]
    assert event["tags"]["service_name"] == "checkout"
    assert "model" not in event["tags"], "the alerts differ in it"
    extra = event["extra"]
    assert (extra["value"], extra["threshold"]) == ("25 %", "10 %")
    assert extra["panel"] == LINK
    assert extra["runbook"] == ANNOTATIONS["runbook_url"]
    assert document(rendered("json.sentry", "bare"))["level"] == "info"


def test_the_link_chooses_every_variable_of_the_dashboards(rendered: Rendered) -> None:
    """Model, provider, tenant, feature and service of the alert, and no other label."""
    link = rendered("first.panel", "firing")
    chosen = [part.split("=")[0] for part in link.split("&") if part.startswith("var-")]
    assert sorted(chosen) == sorted(
        f"var-{name}" for name in VARIABLES if name != "deployment_environment_name"
    )
    assert "&var-deployment_environment_name=staging" in rendered("first.panel", "staging")


SPANS = {"firing": 3600, "quality": 86400, "cost": 7 * 86400}


@pytest.mark.parametrize("case", SPANS)
def test_the_link_shows_what_the_alert_compares(case: str, rendered: Rendered) -> None:
    """An hour before it fired; days where days are compared."""
    fired = datetime(2026, 11, 21, 10, tzinfo=timezone.utc).timestamp()
    begins = int((fired - SPANS[case]) * 1000)
    assert f"&from={begins}&to=now" in rendered("first.panel", case)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("template", DOCUMENTS)
def test_every_document_can_be_read(template: str, case: str, rendered: Rendered) -> None:
    """By a reader of JSON and, to the same effect, by Alertmanager's reader of YAML."""
    assert document(rendered(template, case))


def test_nasty_labels_stay_text(rendered: Rendered) -> None:
    """Quotes, markup, control characters and templates in a label are text and no more."""
    name = 'a: b, "c" <!channel> </script> & {{ . }} 💥'
    (found,) = document(rendered("json.webhook", "nasty"))["alerts"]
    assert found["labels"]["model"] == name
    slack = rendered("slack.text", "nasty")
    assert "<!channel>" not in slack
    assert 'a: b, "c" &lt;!channel&gt; &lt;/script&gt; &amp; {{ . }} 💥' in slack
    page = Page(rendered("email.html", "nasty"))
    assert not {"img", "script"} & set(page.tags), page.tags
    assert name in page.words
    assert not any(link.startswith("javascript") for link in page.links), page.links
    assert "https://x.example.com/script|a" not in slack
    assert "<https://x.example.com/scripta|Runbook>" in slack


@pytest.mark.parametrize("template", [*TEXTS, "slack.title", "email.html"])
def test_labels_call_nobody_and_lead_nowhere(template: str, rendered: Rendered) -> None:
    """A model `@channel` and a tenant that is an address, both labels of the right form."""
    text = rendered(template, "calling")
    assert LINKING not in text
    assert "\u2028" not in text
    if template.startswith("slack"):
        assert CALLING not in text
    if template == "slack.text":
        assert CALLING.replace("@", "@\u2060") in text, text
        assert LINKING.replace("://", "\u2060://") in text, text


@pytest.mark.parametrize("template", [*TEXTS, *DOCUMENTS, "email.html", "first.panel"])
def test_no_message_holds_content(template: str, rendered: Rendered) -> None:
    """A label or annotation that is not on the list stays behind, whatever rule made it."""
    assert CANARY in json.dumps(CASES["leaky"])
    assert CANARY not in rendered(template, "leaky")
    if template == "json.webhook":
        assert rendered(template, "leaky") == rendered(template, "firing")
