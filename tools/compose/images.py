"""Sees to the images that the compose file names: pulled, or stood in for without a registry.

A stand-in is made of what the machine has: the programs that `tools.binaries` builds, Debian's
static busybox, a Python of this machine. Those of Grafana and Tempo are a program of our own, which
answers as they do and checks what they check (`tests/compose/images`): nothing of them is fetched.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.binaries.build import ROOT, Unavailable, find
from tools.compose import kafka, rootfs
from tools.compose.engine import Engine

RECIPES = ROOT / "tests" / "compose" / "images"
LABEL = "llm-otel.stand-in"


@dataclass(frozen=True)
class Recipe:
    """How a stand-in is made.

    Attributes:
        dockerfile: The recipe's name in `tests/compose/images`; empty: `root` is the image.
        programs: What `tools.binaries` builds, name in the image -> name there.
        files: What else the recipe copies.
        root: The bytes of a root file system, where the image starts from nothing.
        base: The image that it starts from, by repository.
        always: Whether an engine of the tests' own never pulls the image, as its licence (AGPL) is
            not to be taken on by a test run. Who has an engine decides that for themselves.
    """

    dockerfile: str = ""
    programs: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    root: Callable[[str], bytes] | None = None
    base: str = ""
    always: bool = False


_PINS = ROOT / "deploy" / "requirements.txt"
_BUSYBOX, _PYTHON = "busybox", "python"
RECIPES_BY_REPOSITORY: dict[str, Recipe] = {
    _BUSYBOX: Recipe(root=lambda _tag: rootfs.busybox()),
    _PYTHON: Recipe("python", root=rootfs.python),
    "otel/opentelemetry-collector-contrib": Recipe("collector", ("otelcol",)),
    "prom/prometheus": Recipe("prometheus", ("prometheus", "promtool"), base=_BUSYBOX),
    "prom/alertmanager": Recipe("alertmanager", ("alertmanager", "amtool"), base=_BUSYBOX),
    "grafana/tempo": Recipe(
        "tempo",
        files=(_PINS, RECIPES / "tempo.py", RECIPES / "answering.py"),
        base=_PYTHON,
        always=True,
    ),
    "grafana/grafana": Recipe(
        "grafana",
        files=(_PINS, RECIPES / "grafana.py", RECIPES / "answering.py"),
        base=_PYTHON,
        always=True,
    ),
    "jaegertracing/jaeger": Recipe("jaeger", ("jaeger",), base=_BUSYBOX),
    "apache/kafka": Recipe("kafka", files=(RECIPES / "kafka.sh",), root=kafka.root),
}


def pinned() -> list[str]:
    """The images of the compose file and of the Dockerfile, by their tags there."""
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    named = re.findall(r"_IMAGE:-([^}\s]+)\}", compose) + re.findall(
        r"^FROM (\S+)", dockerfile, re.MULTILINE
    )
    images = sorted({each for each in named if _repository(each) in RECIPES_BY_REPOSITORY})
    return sorted(images, key=lambda each: list(RECIPES_BY_REPOSITORY).index(_repository(each)))


def provide(engine: Engine, wanted: Iterable[str]) -> dict[str, str]:
    """Have every image there.

    Args:
        engine: Where.
        wanted: Names with their tags, a base before what is built on it.

    Returns:
        Each image, and what it is: `present`, `pulled` or `stand-in`.

    Raises:
        Unavailable: One can neither be pulled nor stood in for; the text names it.
    """
    states: dict[str, str] = {}
    registry = True
    tags: dict[str, str] = {}
    for image in wanted:
        tags[_repository(image)] = image
        label = _label(engine, image)
        if label == "":
            states[image] = "present"
            continue
        recipe = RECIPES_BY_REPOSITORY[_repository(image)]
        if registry and label is None and not (recipe.always and engine.ours):
            registry = _pull(engine, image)
            if registry:
                states[image] = "pulled"
                continue
        try:
            _stand_in(engine, image, tags.get(recipe.base, ""), label)
        except Unavailable as exc:
            raise Unavailable(f"{image} is not there, and no stand-in can be built: {exc}") from exc
        states[image] = "stand-in"
    return states


def _stand_in(engine: Engine, image: str, base: str, label: str | None) -> None:
    """Build a stand-in, unless one is there that is made of the same; `label` is its key."""
    recipe = RECIPES_BY_REPOSITORY[_repository(image)]
    key = _key(recipe, _label(engine, base) or "")
    if label != key:
        print(f"compose: building a stand-in for {image}", flush=True)
        _build(engine, image, recipe, base, key)


def _repository(image: str) -> str:
    return image.partition("@")[0].rpartition(":")[0]


def _label(engine: Engine, image: str) -> str | None:
    """The key of a stand-in; empty: the image is there and none; None: it is not there."""
    if not image:
        return None
    try:
        return engine.docker(
            "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', image
        ).strip()
    except Unavailable:
        return None


def _pull(engine: Engine, image: str) -> bool:
    try:
        engine.docker("pull", "--quiet", image)
    except Unavailable:
        return False
    return True


def _key(recipe: Recipe, base: str) -> str:
    """What a stand-in is made of, as a short digest."""
    parts = [base.encode(), Path(rootfs.__file__).read_bytes() if recipe.root else b""]
    # the cache has a folder for each version
    parts += [find(program).parent.name.encode() for program in recipe.programs]
    if recipe.dockerfile:
        parts.append((RECIPES / f"{recipe.dockerfile}.Dockerfile").read_bytes())
    parts += [path.read_bytes() for path in recipe.files]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _build(engine: Engine, image: str, recipe: Recipe, base: str, key: str) -> None:
    label = f"{LABEL}={key}"
    if recipe.root is not None:
        root = recipe.root(image)
        name = image if not recipe.dockerfile else "llm-otel/root:local"
        change = ("--change", f"LABEL {label}", "--change", 'CMD ["sh"]')
        engine.docker("import", *change, "-", name, data=root)
        base = name
    if not recipe.dockerfile:
        return
    with tempfile.TemporaryDirectory(prefix="llm-otel-image-") as folder:
        here = Path(folder)
        for path in (*(find(program) for program in recipe.programs), *recipe.files):
            shutil.copy(path, here / path.name)
        bundle = Path("/etc/ssl/certs/ca-certificates.crt")
        (here / "ca.crt").write_bytes(bundle.read_bytes() if bundle.exists() else b"")
        shutil.copy(RECIPES / f"{recipe.dockerfile}.Dockerfile", here / "Dockerfile")
        arguments = ("--build-arg", f"BASE={base}", "--label", label, "--tag", image, str(here))
        legacy = Engine({**engine.variables, "DOCKER_BUILDKIT": "0"})
        legacy.docker("build", "--quiet", *arguments)
