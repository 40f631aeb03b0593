"""A clone of the repository whose stack can be started, asked and broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from stack.parts import ROOT, fetch, free_port

PROJECT = "llm-otel-test"
LABEL = f"com.docker.compose.project={PROJECT}"
T = TypeVar("T")


def clone(folder: Path) -> Path:
    """What a user gets who clones this work tree, with what is not committed yet."""
    target = folder / "llm-otel"
    subprocess.run(["git", "clone", "--quiet", ROOT, target], check=True, capture_output=True)
    listed = ["git", "ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard"]
    changed = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, changed.split("\0")):
        (target / name).unlink(missing_ok=True)
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
            (target / name).chmod((ROOT / name).stat().st_mode)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    return target


def ask(probe: Callable[[], T], seconds: float, what: str) -> T:
    """The first true answer of a probe.

    Raises:
        AssertionError: There is none in time; the text has the last one.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            found: Any = probe()
        except (OSError, ValueError) as exc:
            found, problem = None, repr(exc)
        else:
            problem = repr(found)
        if found:
            return found
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s, last: {problem[:2000]}"
        time.sleep(0.5)


class Command:
    """A command that runs beside the tests; its output is collected while it does.

    Args:
        arguments: The command.
        folder: Where.
        environment: Its whole environment.
        end: Is called with the seconds that it took.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        end: Callable[[float], None],
    ) -> None:
        began = time.monotonic()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            arguments, cwd=folder, env=dict(environment), stdout=pipe, stderr=pipe, text=True
        )
        self._output = ("", "")

        def collect() -> None:
            self._output = self._process.communicate()
            end(time.monotonic() - began)

        self._thread = threading.Thread(target=collect)
        self._thread.start()

    def result(self, seconds: float = 300) -> tuple[str, str, int]:
        """Its output, its errors and its exit code.

        Raises:
            AssertionError: It takes longer.
        """
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._process.kill()
            raise AssertionError(f"{self._process.args!r} runs for more than {seconds:g} s")
        return *self._output, self._process.returncode


class Stack:
    """The stack of a clone, under a project name and on ports of its own.

    Args:
        folder: The clone.
        files: Compose files beside the first.
        variables: What a user would write into `.env`.
    """

    def __init__(
        self, folder: Path, *files: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        text = (folder / "docker-compose.yml").read_text(encoding="utf-8")
        names = re.findall(r"\$\{(\w+_PORT):-", text)
        self.ports = {name.removesuffix("_PORT"): free_port() for name in dict.fromkeys(names)}
        self.services: dict[str, Any] = yaml.safe_load(text)["services"]
        self.files = files
        self.variables = dict(variables or {})
        self.figures: dict[str, float] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What the commands of a user of this stack find in their environment."""
        ports = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_OTEL_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"COMPOSE_PROJECT_NAME": PROJECT, "PATH": path, "NO_COLOR": "1", "COLUMNS": "200"}
        return {**kept, **ports, **own, **self.variables}

    def url(self, name: str) -> str:
        """The address on this machine of the port that `NAME_PORT` sets."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def run(self, *command: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def begin(self, figure: str, *command: str) -> Command:
        """Start a command in the clone, and note under `figure` how long it takes."""
        return Command(
            command, self.folder, self.environment, lambda seconds: self.note(figure, seconds)
        )

    def compose(self, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """`docker compose` with the files of this stack."""
        chosen = ["--file", "docker-compose.yml"] if self.files else []
        chosen += [word for name in self.files for word in ("--file", name)]
        return self.run("docker", "compose", *chosen, *arguments, seconds=seconds)

    def clear(self) -> None:
        """Remove everything of this project, whatever files it came from."""
        for listing, removal in (
            (("ps", "--all"), ("rm", "--force")),
            (("volume", "ls"), ("volume", "rm", "--force")),
            (("network", "ls"), ("network", "rm")),
        ):
            names = self.run("docker", *listing, "--quiet", "--filter", f"label={LABEL}").stdout
            if names.split():
                self.run("docker", *removal, *names.split())

    def up(self, *options: str, profile: str = "") -> float:
        """Start it as the page says; the seconds that it took.

        Raises:
            AssertionError: It did not get healthy; the text says what Compose and the logs say.
        """
        began = time.monotonic()
        profiles = ("--profile", profile) if profile else ()
        ran = self.compose(*profiles, "up", "--detach", "--wait", *options)
        seconds = time.monotonic() - began
        assert ran.returncode == 0, f"{ran.stderr[-3000:]}\n{self.why()}"
        return seconds

    def why(self) -> str:
        """What is running, and the ends of the logs."""
        shown = self.compose("--profile", "*", "ps", "--all").stdout
        return shown + self.compose("--profile", "*", "logs", "--tail", "15").stdout[-6000:]

    def containers(self, *, profile: str = "*") -> dict[str, dict[str, Any]]:
        """Each container as the engine describes it, by its service."""
        ids = self.compose("--profile", profile, "ps", "--all", "--quiet").stdout.split()
        if not ids:
            return {}
        described = json.loads(self.run("docker", "inspect", *ids).stdout)
        label = "com.docker.compose.service"
        return {each["Config"]["Labels"][label]: each for each in described}

    def on_host(self, script: str) -> str:
        """What a shell script says that sees the processes of the engine's machine, as root."""
        image = self.containers()["prepare"]["Config"]["Image"]
        options = ("--rm", "--pid=host", "--network=none", "--security-opt=apparmor=unconfined")
        ran = self.run("docker", "run", *options, image, "sh", "-c", script)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def kill(self, service: str) -> int:
        """Kill a service's program as a crash would, from outside; its process id before."""
        state = self.containers()[service]
        process = int(state["State"]["Pid"])
        # With `init` the program is the child of the container's first process.
        child = f"$(cat /proc/{process}/task/{process}/children)"
        self.on_host(f"kill -9 {child if state['HostConfig'].get('Init') else process}")
        return process

    def runs_anew(self, service: str, pid: int) -> bool:
        """Whether a service runs in another process than `pid`."""
        state = self.containers()[service]["State"]
        return bool(state["Running"] and state["Pid"] not in (0, pid))

    def healthy(self, service: str) -> bool:
        """Whether a service runs, and its health check passes where it has one."""
        state = self.containers()[service]["State"]
        health = state.get("Health", {}).get("Status", "healthy")
        return bool(state["Running"] and health == "healthy")

    def query(self, expression: str) -> list[Any]:
        """What Prometheus answers to an instant query."""
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(fetch(f"{self.url('PROMETHEUS')}/api/v1/query?{query}"))
        found: list[Any] = answer["data"]["result"]
        return found

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Rows of the lake."""
        command = ("exec", "-T", "analytics", "llm-otel", "sql", "--format", "json", statement)
        ran = self.compose(*command)
        assert ran.returncode == 0, ran.stderr[-2000:]
        rows: list[dict[str, Any]] = json.loads(ran.stdout)
        return rows

    def traces(self, service: str, limit: int = 20) -> list[str]:
        """Ids of traces of a service that Tempo has."""
        query = urllib.parse.urlencode(
            {"q": f'{{resource.service.name="{service}"}}', "limit": limit}
        )
        answer = json.loads(fetch(f"{self.url('TEMPO')}/api/search?{query}"))
        return [each["traceID"] for each in answer.get("traces") or ()]

    def has_trace(self, trace: str) -> bool:
        """Whether Tempo finds a trace."""
        try:
            return bool(fetch(f"{self.url('TEMPO')}/api/traces/{trace}"))
        except urllib.error.HTTPError:
            return False

    def await_traces(self, traces: Sequence[str]) -> None:
        """Wait until Tempo has every trace."""
        missing = set(traces)

        def complete() -> bool:
            missing.difference_update([each for each in missing if self.has_trace(each)])
            return not missing

        ask(complete, 60, f"{len(traces)} traces in Tempo")

    def await_calls(self, service: str, count: int) -> dict[str, int]:
        """Wait until the lake has the calls of so many traces; how many calls and traces it has."""
        rows = (
            "SELECT count(*) n, count(DISTINCT trace_id) traces FROM calls "
            f"WHERE service_name = '{service}'"
        )
        return ask(
            lambda: next((row for row in self.sql(rows) if row["traces"] >= count), {}),
            60,
            f"{count} calls of {service} in the lake",
        )

    def note(self, what: str, seconds: float) -> None:
        """Keep a figure for the end."""
        self.figures[what] = seconds

    def report(self) -> None:
        """Print what was measured."""
        for what, seconds in self.figures.items():
            print(f"compose: {what}: {seconds:.1f} s")
