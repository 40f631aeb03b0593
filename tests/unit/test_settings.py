"""Settings: where they come from, what wins, and what is said of wrong ones."""

from __future__ import annotations

import dataclasses
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_otel import settings as module
from llm_otel.clients import built_in, name_of
from llm_otel.errors import ConfigError
from llm_otel.settings import OPTIONS, Settings, sources

KEY = "k" * 32


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from outside: an empty working directory and no variables of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "_warned", set())
    for name in os.environ:
        if name.startswith(("OTEL_", "LLM_OTEL_")):
            monkeypatch.delenv(name)


def refusal(**keywords: Any) -> str:
    """The one sentence that `resolve` refuses with."""
    with pytest.raises(ConfigError) as caught:
        Settings.resolve(**keywords)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults() -> None:
    """With nothing given, resolved settings are the defaults, and private."""
    settings = Settings.resolve()
    assert settings == Settings()
    assert settings.capture_content == "no_content"
    assert not settings.emit_event
    assert settings.user_id == "off"


def test_keyword_wins_over_environment_wins_over_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keywords win over environment variables, these over the file, the file over defaults."""
    Path("llm-otel.yaml").write_text("max_models: 1\nmax_features: 1\nmax_tenants: 1\n")
    monkeypatch.setenv("LLM_OTEL_MAX_FEATURES", "2")
    monkeypatch.setenv("LLM_OTEL_MAX_TENANTS", "2")
    settings = Settings.resolve(max_tenants=3)
    assert (settings.max_models, settings.max_features, settings.max_tenants) == (1, 2, 3)
    assert settings.config_file == "llm-otel.yaml"


def test_none_and_empty_mean_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyword None, an empty variable and a bare key in the file leave the default."""
    Path("llm-otel.yaml").write_text("console:\n")
    monkeypatch.setenv("LLM_OTEL_CONSOLE", " ")
    assert Settings.resolve(console=None).console is False


@pytest.mark.parametrize("way", ["keyword", "environment"])
def test_file_by_name(monkeypatch: pytest.MonkeyPatch, way: str, tmp_path: Path) -> None:
    """The file can be named by keyword or environment."""
    path = tmp_path / "other.yaml"
    path.write_text("semconv: both\n")
    if way == "environment":
        monkeypatch.setenv("LLM_OTEL_CONFIG_FILE", str(path))
    settings = Settings.resolve(**({"config_file": path} if way == "keyword" else {}))
    assert settings.semconv == "both"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("LLM_OTEL_SETUP", "off", "setup", False),
        ("LLM_OTEL_CONSOLE", "TRUE", "console", True),
        ("LLM_OTEL_MAX_MODELS", "7", "max_models", 7),
        ("LLM_OTEL_SEMCONV", "Latest", "semconv", "latest"),
        ("LLM_OTEL_TAGS", "team, release", "tags", ("team", "release")),
        ("LLM_OTEL_CLIENTS", "groq", "clients", ("groq",)),
        (
            "LLM_OTEL_PROVIDERS",
            "llm.corp:8443=corp,[::1]:80=home",
            "providers",
            {"llm.corp:8443": "corp", "[::1]:80": "home"},
        ),
        ("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK", "upload", "completion_hook", "upload"),
    ],
)
def test_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, name: str, value: object
) -> None:
    """Each kind of setting can be read from a variable's text."""
    monkeypatch.setenv(variable, text)
    assert getattr(Settings.resolve(), name) == value


@pytest.mark.parametrize(
    ("yaml", "name", "value"),
    [
        ("semconv: off", "semconv", "off"),
        ("user_id: off", "user_id", "off"),
        ("tags: [team]", "tags", ("team",)),
        ("providers: {LLM.corp: corp}", "providers", {"llm.corp": "corp"}),
        ("baggage: tenant_id, user_id", "baggage", ("tenant_id", "user_id")),
        ("alerts: {anything: [1]}\nbudgets: []", "tags", ()),
        ("", "tags", ()),
    ],
)
def test_file(yaml: str, name: str, value: object) -> None:
    """The file takes YAML's own types; `off` unquoted; sections of other parts are left alone."""
    Path("llm-otel.yaml").write_text(yaml)
    assert getattr(Settings.resolve(), name) == value


def test_prices_come_from_the_file() -> None:
    """The section `prices:` is parsed; a wrong one is refused with its place."""
    Path("llm-otel.yaml").write_text("prices:\n  - model: mine\n    input: 1\n    output: 2\n")
    assert Settings.resolve().prices is not None
    Path("llm-otel.yaml").write_text("prices: 3\n")
    assert refusal().startswith("llm-otel.yaml: prices must be a list")
    Path("llm-otel.yaml").unlink()
    assert Settings.resolve(prices=[{"model": "mine", "input": 1, "output": 2}]).prices is not None
    assert refusal(prices=3).startswith("The keyword prices must be a list")


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"console": "yes"}, "The keyword console must be true or false, not 'yes'."),
        ({"consol": True}, "The keyword consol is unknown; did you mean console?"),
        ({"max_models": 0}, "The keyword max_models must be a whole number from 1 to 1500, not 0."),
        ({"max_models": True}, "The keyword max_models must be a whole number"),
        ({"capture_content": True}, "must be one of no_content, span_only, event_only"),
        ({"redact": "x"}, "The keyword redact must be a function from str to str, not 'x'."),
        ({"completion_hook": 3}, "an entry point's name or an object with on_completion()"),
        (
            {"clients": ["opnai"]},
            f"must be a list of known clients ({', '.join(map(name_of, built_in()))})",
        ),
        (
            {"clients": 3},
            f"must be a list of known clients ({', '.join(map(name_of, built_in()))}), not 3.",
        ),
        ({"tags": ["a b"]}, "must be a list of tag keys"),
        ({"tags": {"a": 1}}, "must be a list of tag keys"),
        ({"baggage": ["prompt"]}, "a list out of tenant_id, feature, user_id, session_id"),
        ({"providers": {"https://x/v1": "y"}}, "without scheme or path"),
        ({"providers": {"x": "Y"}}, "a provider's name in lower case"),
        ({"providers": ["x"]}, "must be a map of host"),
        ({"config_file": "gone.yaml"}, "gone.yaml cannot be read: No such file or directory."),
        ({"user_id": "hash"}, "user_id is hash, which needs a key"),
        ({"user_id_key_file": "gone.key"}, "gone.key cannot be read: No such file"),
    ],
)
def test_wrong_keyword(keywords: dict[str, Any], says: str) -> None:
    """A wrong keyword is one sentence with its name, its value and what is allowed."""
    assert says in refusal(**keywords)


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("LLM_OTEL_CONSOLE", "maybe", "variable LLM_OTEL_CONSOLE must be true or false, not 'm"),
        ("LLM_OTEL_MAX_MODELS", "many", "LLM_OTEL_MAX_MODELS must be a whole number from 1 to"),
        ("LLM_OTEL_PROVIDERS", "host", "LLM_OTEL_PROVIDERS must be a map of host"),
        ("LLM_OTEL_CONSOL", "1", "LLM_OTEL_CONSOL is unknown; did you mean LLM_OTEL_CONSOLE?"),
        ("LLM_OTEL_REDACT", "x", "The environment variable LLM_OTEL_REDACT is unknown"),
    ],
)
def test_wrong_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, says: str
) -> None:
    """A wrong variable of ours is one sentence with its name, its value and what is allowed."""
    monkeypatch.setenv(variable, text)
    assert says in refusal()


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("console: maybe", "llm-otel.yaml: console must be true or false, not 'maybe'."),
        ("price: []", "llm-otel.yaml: the key price is unknown; did you mean prices?"),
        ("1: 2", "llm-otel.yaml: the key 1 is unknown; allowed are alerts"),
        ("user_id_key: " + KEY, "llm-otel.yaml: the key user_id_key is unknown"),
        ("- console", "llm-otel.yaml must hold a map of settings, not a list."),
        ("console: [", "llm-otel.yaml is not valid YAML at line 1, column 11: "),
        ("a: b: c", "llm-otel.yaml is not valid YAML at line 1, column 5: "),
        (
            "console: true\ntags: [a]\nconsole: false",
            "llm-otel.yaml has the key console twice at line 3, column 1: remove one of the two.",
        ),
        ("when: 2024-13-45", "llm-otel.yaml is not valid YAML"),
        (b"\xff\x00", "llm-otel.yaml is not valid YAML"),
    ],
)
def test_wrong_file(yaml: str | bytes, says: str) -> None:
    """Anything wrong in the file is one sentence with its path, the place and what is allowed."""
    Path("llm-otel.yaml").write_bytes(yaml if isinstance(yaml, bytes) else yaml.encode())
    text = refusal()
    assert text.startswith(says)
    assert KEY not in text


def test_kubernetes_variables_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kubernetes sets for a Service named llm-otel or llm-otel-collector is left alone."""
    for name in ("SERVICE_HOST", "PORT", "PORT_4318_TCP_ADDR", "COLLECTOR_SERVICE_PORT_HTTP"):
        monkeypatch.setenv(f"LLM_OTEL_{name}", "tcp://10.0.0.1:4318")
    assert Settings.resolve() == Settings()


def test_variables_of_the_commands_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command or the tests read from the environment stops no instrumented program."""
    for name in (*sources.RESERVED_VARIABLES, "LLM_OTEL_TEST_ALL", "LLM_OTEL_TEST_ENGINE"):
        monkeypatch.setenv(name, "/var/lib/llm-otel")
    assert Settings.resolve() == Settings()


@pytest.mark.parametrize(
    ("mode", "events"),
    [
        ("NO_CONTENT", False),
        ("SPAN_ONLY", False),
        ("event_only", True),
        ("Span_And_Event", True),
    ],
)
def test_standard_content_variable(
    monkeypatch: pytest.MonkeyPatch, mode: str, events: bool
) -> None:
    """The standard variable's four modes, in any case; events are emitted where they are asked."""
    monkeypatch.setenv(module.CAPTURE_CONTENT, mode)
    settings = Settings.resolve()
    assert (settings.capture_content, settings.emit_event) == (mode.lower(), events)


@pytest.mark.parametrize("emit", [True, False])
def test_standard_event_variable(monkeypatch: pytest.MonkeyPatch, emit: bool) -> None:
    """The standard variable for events wins over what the mode implies."""
    monkeypatch.setenv(module.CAPTURE_CONTENT, "NO_CONTENT" if emit else "EVENT_ONLY")
    monkeypatch.setenv(module.EMIT_EVENT, str(emit).lower())
    assert Settings.resolve().emit_event is emit


def test_wrong_standard_variable_warns_once_and_stays_private(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong mode in the standard variable is one warning and no content."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv(module.CAPTURE_CONTENT, "true")
    assert [Settings.resolve().capture_content for _ in range(2)] == ["no_content"] * 2
    assert len(caplog.records) == 1, caplog.text
    assert module.CAPTURE_CONTENT in caplog.text


@pytest.mark.parametrize("way", ["keyword", "environment", "file"])
def test_user_id_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str) -> None:
    """A key from any place switches hashing on, is the same key, and is never shown."""
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    if way == "environment":
        monkeypatch.setenv("LLM_OTEL_USER_ID_KEY", KEY)
    given: dict[str, Any] = {"keyword": {"user_id_key": KEY}, "file": {"user_id_key_file": path}}
    settings = Settings.resolve(**given.get(way, {}))
    assert (settings.user_id, settings.user_id_key) == ("hash", KEY.encode())
    assert KEY not in repr(settings)


@pytest.mark.parametrize("way", ["keyword", "environment", "file"])
def test_short_user_id_key_is_refused_unseen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    """A key below 32 bytes is refused, by a sentence that does not show it."""
    path = tmp_path / "key"
    path.write_text("short-secret")
    if way == "environment":
        monkeypatch.setenv("LLM_OTEL_USER_ID_KEY", "short-secret")
    given: dict[str, Any] = {
        "keyword": {"user_id_key": "short-secret"},
        "file": {"user_id_key_file": str(path)},
    }
    text = refusal(**given.get(way, {}))
    assert "at least 32 bytes" in text
    assert "short-secret" not in text


def test_key_does_not_override_a_chosen_mode() -> None:
    """A key beside `user_id=off` leaves user ids off."""
    assert Settings.resolve(user_id="off", user_id_key=KEY).user_id == "off"


def test_settings_are_frozen() -> None:
    """Nothing in a settings object can be changed."""
    settings = Settings.resolve(providers={"a": "b"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.console = True  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.providers["c"] = "d"  # type: ignore[index]


def test_error_is_a_value_error() -> None:
    """Callers can catch wrong settings as ValueError, across processes too."""
    with pytest.raises(ValueError, match="unknown"):
        Settings.resolve(nothing=1)
    assert str(pickle.loads(pickle.dumps(ConfigError("text")))) == "text"


def test_every_setting_is_explained() -> None:
    """Every field has its kind and an explanation for the documentation."""
    for name, option in OPTIONS.items():
        assert option.help.endswith("."), name
        assert option.kind.allowed, name


def test_yaml_is_read_only_when_there_is_a_file() -> None:
    """Without a file the YAML parser is not imported."""
    program = (
        "import sys; from llm_otel.settings import Settings; Settings.resolve(); "
        "print(sorted({'yaml', 'difflib', 'opentelemetry.sdk'} & set(sys.modules)))"
    )
    source = Path(module.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
