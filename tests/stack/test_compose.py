"""The compose file: accepted by Compose itself, hardened, on loopback, pinned, complete."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from stack.parts import ROOT, program

from llm_otel.stack.notify import SECRETS
from llm_otel.stack.prometheus import FLAGS
from tools.binaries.build import SOURCES

FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES = list(DOCUMENT["services"])
OVERLAYS = sorted((ROOT / "deploy").glob("compose.*.yaml"))

USERS = {
    "prepare": "0:0",  # gives volumes to their users, offline, and ends
    "otel-collector": "10001:10001",
    "collector-ready": "65534:65534",
    "prometheus": "65534:65534",
    "alertmanager": "65534:65534",
    "tempo": "10001:10001",
    "grafana": "472:0",
    "notifications": "10001:10001",
    "analytics": "10001:10001",
    "sample": "10001:10001",
    "jaeger": "10001:10001",
}
# Why a service has no health check of its own.
NO_HEALTH_CHECK = {
    "prepare": "runs once",
    "otel-collector": "its image has no program to ask with; collector-ready asks",
    "sample": "nothing waits for it",
}
PROFILES = {"sample": ["sample"], "jaeger": ["jaeger"]}
WAITS_FOR = {
    "otel-collector": {
        "prepare": "service_completed_successfully",
        "prometheus": "service_healthy",
        "tempo": "service_started",
    },
    "collector-ready": {"otel-collector": "service_started"},
    "grafana": {
        "prepare": "service_completed_successfully",
        "prometheus": "service_started",
        "tempo": "service_started",
        "alertmanager": "service_started",
    },
    "notifications": {"prepare": "service_completed_successfully"},
    "analytics": {"prepare": "service_completed_successfully"},
    "sample": {"collector-ready": "service_healthy"},
}
GRAFANA = {
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
    "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/admin_password",
    "GF_SERVER_ROOT_URL": "http://localhost:3000",
}


def compose(
    *arguments: str, env_file: Path | str = "/dev/null"
) -> subprocess.CompletedProcess[str]:
    """Run Compose on the file, with no variable but those of `env_file`."""
    command = [program("docker-compose"), "--env-file", env_file, "--project-directory", ROOT]
    return subprocess.run(
        [*map(str, command), *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
    )


def resolved(*files: Path, env_file: Path | str = "/dev/null") -> dict[str, Any]:
    """What Compose makes of the file and overlays, all profiles on."""
    chosen = [word for each in files or (FILE,) for word in ("--file", str(each))]
    ran = compose(*chosen, "--profile", "*", "config", "--format", "json", env_file=env_file)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """The file as Compose understands it, with nothing set."""
    return resolved()


def test_starts_with_nothing_set(model: dict[str, Any]) -> None:
    """Compose accepts the file without a variable, a warning or a secret."""
    assert list(model["services"]) == sorted(SERVICES)
    assert sorted(USERS) == sorted(SERVICES)
    assert "secrets" not in model


def test_follows_the_specification() -> None:
    """The file is valid by the specification's own schema."""
    where = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True)
    found = sorted(Path(where.stdout.strip()).glob("github.com/compose-spec/compose-go/*/schema"))
    if not found:
        pytest.skip("the schema comes with the modules that Compose is built from")
    schema = json.loads((found[-1] / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)


@pytest.mark.parametrize("name", SERVICES)
def test_is_hardened(name: str, model: dict[str, Any]) -> None:
    """No service can write to its image, gain rights, fill the disk, or take the whole machine."""
    service = model["services"][name]
    assert service["user"] == USERS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["CHOWN", "DAC_OVERRIDE"] if name == "prepare" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service["restart"] == ("no" if name == "prepare" else "unless-stopped")
    assert int(service["mem_limit"]) <= 2**30
    assert service["memswap_limit"] == service["mem_limit"]
    assert 0 < float(service["cpus"]) <= 2
    assert 0 < int(service["pids_limit"]) <= 256
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "network_mode" not in service or name == "prepare"


@pytest.mark.parametrize("name", SERVICES)
def test_publishes_on_loopback_only(name: str, model: dict[str, Any]) -> None:
    """Nothing of the stack can be reached from another machine."""
    ports = model["services"][name].get("ports", [])
    assert [port["host_ip"] for port in ports] == ["127.0.0.1"] * len(ports)


def test_memory_of_go_programs_stays_below_the_limit(model: dict[str, Any]) -> None:
    """A garbage collector that knows its limit works instead of being killed, or refusing."""
    for name, service in model["services"].items():
        soft = service.get("environment", {}).get("GOMEMLIMIT")
        if soft:
            share = int(soft.removesuffix("MiB")) * 2**20 / int(service["mem_limit"])
            # the Collector's memory_limiter refuses from 60 % on
            least, most = (0.55, 0.6) if name.startswith("otel-collector") else (0.75, 0.85)
            assert least <= share <= most, (name, share)


def test_images_are_pinned_once(model: dict[str, Any]) -> None:
    """Every tag is exact, stands in the file once, and is the version that the tests run."""
    pinned = re.findall(r"_IMAGE:-([^}\s]+)\}", TEXT)
    assert len(pinned) == len(set(pinned))
    for image in {each["image"] for each in model["services"].values()} - {"llm-otel/app:local"}:
        assert image in pinned, image
        assert re.search(r":v?\d+\.\d+\.\d+$", image), image
    tested = {
        "otel/opentelemetry-collector-contrib": SOURCES["collector"].version,
        "prom/prometheus": f"v{SOURCES['prometheus'].version}",
        "prom/alertmanager": f"v{SOURCES['alertmanager'].version}",
    }
    assert {f"{name}:{tag}" for name, tag in tested.items()} <= set(pinned)


@pytest.mark.parametrize("name", SERVICES)
def test_health(name: str, model: dict[str, Any]) -> None:
    """Every service has a health check, or a reason for none."""
    check = model["services"][name].get("healthcheck")
    assert (check is None) == (name in NO_HEALTH_CHECK), check


@pytest.mark.parametrize("name", SERVICES)
def test_waits_and_profiles(name: str, model: dict[str, Any]) -> None:
    """A service starts after what it needs, and only where it is wanted."""
    service = model["services"][name]
    waits = {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
    assert waits == WAITS_FOR.get(name, {})
    assert service.get("profiles", []) == PROFILES.get(name, [])


def test_one_service_builds_the_image_and_no_registry_is_asked_for_it(
    model: dict[str, Any],
) -> None:
    """Builds of one tag would race, and the name belongs to nobody who could be trusted."""
    ours = {n: s for n, s in model["services"].items() if s["image"] == "llm-otel/app:local"}
    assert len(ours) >= 3
    assert [name for name, service in ours.items() if "build" in service] == ["notifications"]
    assert {service["pull_policy"] for service in ours.values()} == {"never"}


def test_the_health_of_a_collector_is_its_own(model: dict[str, Any]) -> None:
    """What asks for the Collector's health starts again with it, and knows in half a minute."""
    ready = model["services"]["collector-ready"]
    assert ready["depends_on"]["otel-collector"]["restart"] is True
    check = ready["healthcheck"]
    seconds = {key: int(check[key].rstrip("s")) for key in ("interval", "timeout", "start_period")}
    slowest = seconds["interval"] + seconds["timeout"]
    assert seconds["start_period"] + check["retries"] * slowest <= 40


def test_alertmanager_remembers_for_longer_than_it_repeats(model: dict[str, Any]) -> None:
    """What it has forgotten that it sent, it sends again before its time."""
    text = (ROOT / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    repeats = re.findall(r"repeat_interval: (\d+)([smhd])", text)
    longest = max(int(number) * units[unit] for number, unit in repeats)
    command = " ".join(model["services"]["alertmanager"]["command"])
    kept = re.search(r"--data.retention=(\d+)h", command)
    assert kept is not None
    assert int(kept[1]) * 3600 > longest


def test_what_is_mounted_exists(model: dict[str, Any]) -> None:
    """Every path that a container sees is in the repository, and read-only."""
    for name, service in model["services"].items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert Path(volume["source"]).exists(), (name, volume["source"])
                assert volume["read_only"] is True, (name, volume["source"])


def test_volumes_are_declared_and_used(model: dict[str, Any]) -> None:
    """Data lives in named volumes, each of which somebody writes."""
    used = {
        volume["source"]
        for service in model["services"].values()
        for volume in service.get("volumes", [])
        if volume["type"] == "volume" and not volume.get("read_only")
    }
    assert used == set(model["volumes"])


def test_grafana_is_safe_as_it_comes(model: dict[str, Any]) -> None:
    """Nobody is admin without a password, and Grafana calls nobody."""
    environment = model["services"]["grafana"]["environment"]
    assert {name: environment.get(name) for name in GRAFANA} == GRAFANA
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / "grafana" / "dashboards").joinpath(*home.parts[4:]).is_file(), home


def test_prometheus_has_the_flags_of_the_tests(model: dict[str, Any]) -> None:
    """Prometheus runs with the flags with which the rules were tested."""
    own = [
        "--config.file=/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path=/prometheus",
        "--rules.alert.resend-delay=45s",
    ]
    assert model["services"]["prometheus"]["command"] == [*own, *FLAGS]


def test_every_variable_is_shown(tmp_path: Path) -> None:
    """`.env.example` lists every variable with its default, and changes nothing when copied."""
    nested = re.sub(r"\$\{GRAFANA_PORT:-3000\}\}", "3000}", TEXT)
    used = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", nested))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert dict(re.findall(r"^#(\w+)=(.*)$", example, re.MULTILINE)) == used
    (tmp_path / ".env").write_text(re.sub(r"^#(\w+=)", r"\1", example, flags=re.MULTILINE))
    assert resolved(env_file=tmp_path / ".env") == resolved()


def test_secrets_are_never_committed() -> None:
    """Only examples of secrets are in the repository, one for each that is read."""
    examples = {path.name for path in (ROOT / "secrets" / "alertmanager").glob("*.example")}
    assert examples == {f"{name}.example" for name in SECRETS.values()}
    for path in ("secrets/alertmanager/webhook_url", "secrets/grafana/admin_password", ".env"):
        ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT)
        assert ignored.returncode == 0, path
    listed = subprocess.run(
        ["git", "ls-files", "secrets"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert all(name.endswith((".example", "README.md")) for name in listed), listed


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_overlays(overlay: Path, model: dict[str, Any]) -> None:
    """Each overlay is accepted together with the file, and softens nothing."""
    merged = resolved(FILE, overlay)
    for name, service in merged["services"].items():
        assert service["user"] not in ("", "0", "0:0") or name == "prepare", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert re.search(r":v?\d+\.\d+\.\d+$|:local$", service["image"]), service["image"]
        assert {port["host_ip"] for port in service.get("ports", [])} <= {"127.0.0.1"}, name
        for volume in service.get("volumes", []):
            assert volume["type"] != "bind" or Path(volume["source"]).exists(), volume["source"]


def collectors(*files: Path, env_file: Path | str = "/dev/null") -> dict[str, list[str]]:
    """The overlays that each Collector of the stack reads after the base; `off` left out."""
    found = {}
    for name, service in resolved(*files, env_file=env_file)["services"].items():
        base, *more = service.get("command") or [""]
        if base.startswith("--config=/etc/otelcol/"):
            assert base == "--config=/etc/otelcol/config.yaml", name
            paths = [Path(each.removeprefix("--config=")) for each in more]
            assert all(path.parent == Path("/etc/otelcol/overlays") for path in paths), paths
            found[name] = [path.stem for path in paths if path.stem != "off"]
    return found


CHOICES = {
    "": ["analytics"],
    "COLLECTOR_ANALYTICS=off": [],
    "COLLECTOR_CONTENT=content COLLECTOR_USER_ID=user-hash": ["analytics", "user-hash", "content"],
    "COLLECTOR_USER_ID=user-hash COLLECTOR_SAMPLING=tail-sampling COLLECTOR_CONTENT=content": [
        "analytics",
        "user-hash",
        "content",
        "tail-sampling",
    ],
}


@pytest.mark.parametrize("chosen", CHOICES)
def test_overlays_of_the_collector_are_chosen_together(chosen: str, tmp_path: Path) -> None:
    """Each variable adds its overlay, and none takes another's away."""
    (tmp_path / ".env").write_text(chosen.replace(" ", "\n"))
    wanted = {"otel-collector": CHOICES[chosen]}
    assert collectors(FILE, env_file=tmp_path / ".env") == wanted


@pytest.mark.parametrize("chosen", CHOICES)
@pytest.mark.parametrize("more", [(), (ROOT / "deploy" / "compose.kafka.yaml",)], ids=len)
def test_the_collector_accepts_its_command(
    chosen: str, more: tuple[Path, ...], tmp_path: Path
) -> None:
    """The real program takes the files that Compose gives it, in their order."""
    (tmp_path / ".env").write_text(chosen.replace(" ", "\n"))
    (tmp_path / "key").write_text("0123456789abcdef" * 4)
    for name, overlays in collectors(FILE, *more, env_file=tmp_path / ".env").items():
        files = ["config.yaml", *(f"overlays/{each}.yaml" for each in overlays)]
        ran = subprocess.run(
            [program("otelcol"), "validate", *(f"--config={ROOT}/collector/{f}" for f in files)],
            env={"USER_ID_KEY_FILE": str(tmp_path / "key"), "COLLECTOR_STORAGE": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, (name, overlays, ran.stderr[-2000:])


def test_kafka_keeps_the_overlays_that_were_chosen(tmp_path: Path) -> None:
    """What changes the redaction is in both tiers, what receives behind the second only."""
    (tmp_path / ".env").write_text(
        "COLLECTOR_USER_ID=user-hash\nCOLLECTOR_CONTENT=content\nCOLLECTOR_SAMPLING=tail-sampling\n"
    )
    kafka = ROOT / "deploy" / "compose.kafka.yaml"
    assert collectors(FILE, kafka, env_file=tmp_path / ".env") == {
        "otel-collector": ["user-hash", "content", "kafka"],
        "otel-collector-tier2": ["analytics", "content", "tail-sampling", "kafka-tier2"],
    }


def test_every_overlay_of_the_collector_can_be_chosen() -> None:
    """Each file is named by the stack, or by the line of `.env.example` that explains it."""
    named = {
        name
        for files in ((), OVERLAYS)
        for each in collectors(FILE, *files).values()
        for name in each
    }
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named |= set(re.findall(r"^# ([a-z-]+): .*\n#COLLECTOR_", example, re.MULTILINE))
    assert named == {path.stem for path in (ROOT / "collector" / "overlays").iterdir()}


def test_analytics_trusts_its_network_and_is_published_on_its_page_only(
    model: dict[str, Any],
) -> None:
    """OTLP without a token is for the Collector; from outside there is the dashboard."""
    service = model["services"]["analytics"]
    assert "--trust-network" in service["command"]
    assert [port["target"] for port in service["ports"]] == [8050]
    (volume,) = service["volumes"]
    assert Path(service["environment"]["LLM_OTEL_LAKE"]).is_relative_to(volume["target"])
    assert volume["source"] == "lake"


def test_thanos_changes_only_how_blocks_are_cut(model: dict[str, Any]) -> None:
    """Prometheus keeps its flags beside Thanos, and leaves compaction to it."""
    merged = resolved(FILE, ROOT / "deploy" / "compose.thanos.yaml")
    before = model["services"]["prometheus"]["command"]
    after = merged["services"]["prometheus"]["command"]
    assert after[: len(before)] == before
    assert after[len(before) :] == [
        "--storage.tsdb.min-block-duration=2h",
        "--storage.tsdb.max-block-duration=2h",
    ]


def test_the_page_tells_the_limits() -> None:
    """The memory limits on the page are those of the file, and so is their sum."""
    page = (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")
    limits = {
        name: int(service["mem_limit"][:-1]) * {"m": 1, "g": 1024}[service["mem_limit"][-1]]
        for name, service in DOCUMENT["services"].items()
        if "profiles" not in service
    }
    told = dict(re.findall(r"^\| `([\w-]+)` \| ([\d,]+) \|", page, re.MULTILINE))
    assert {
        name: int(text.replace(",", "")) for name, text in told.items()
    }.items() <= limits.items()
    assert f"add up to {sum(limits.values()):,} MiB" in page


def test_the_page_tells_every_service_and_port() -> None:
    """Each service of the file is on the page, and each variable for a port."""
    page = (ROOT / "docs" / "stack.md").read_text(encoding="utf-8")
    assert [name for name in SERVICES if f"`{name}`" not in page] == []
    assert [name for name in re.findall(r"\w+_PORT", TEXT) if f"`{name}`" not in page] == []
    assert [path.name for path in OVERLAYS if path.name not in page] == [
        path.name for path in OVERLAYS if path.name in ("compose.kafka.yaml", "compose.thanos.yaml")
    ]
