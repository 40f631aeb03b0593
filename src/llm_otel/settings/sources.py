"""Where settings come from beside `llm-otel.yaml`: keywords, environment variables, a key file."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from llm_otel.errors import ConfigError
from llm_otel.settings.kinds import Kind, require_known

PREFIX: Final = "LLM_OTEL_"

# Variables that the commands read, and the project's own tools.
RESERVED_VARIABLES: Final = frozenset(
    {
        "LLM_OTEL_ALERTMANAGER_URL",
        "LLM_OTEL_METRICS_TO",
        "LLM_OTEL_CACHE",
        "LLM_OTEL_HOST",
        "LLM_OTEL_LAKE",
        "LLM_OTEL_TO",
        "LLM_OTEL_TOKEN",
    }
)

# In a Kubernetes namespace with a Service named llm-otel… every container is given
# LLM_OTEL_SERVICE_HOST, LLM_OTEL_PORT_4318_TCP and the like. The project's own tests have switches.
_NO_SETTING: Final = r"_SERVICE_(HOST|PORT)|_PORT($|_)|^LLM_OTEL_TEST_"

_logger = logging.getLogger("llm_otel")
_warned: set[str] = set()


class Option(NamedTuple):
    """What is known of a setting beside its default: the metadata of its field.

    Attributes:
        kind: How a value is checked.
        help: One or two sentences for the documentation.
        env: Environment variable; None: `LLM_OTEL_` and the name in capitals; empty: none.
        keyword: Can be given to `instrument()`.
        yaml: Can stand in the file.
        shared: The variable is a standard that other libraries read too; these go on with the
            default when its value is wrong, and so do we, with a warning.
    """

    kind: Kind
    help: str
    env: str | None = None
    keyword: bool = True
    yaml: bool = True
    shared: bool = False

    def variable(self, name: str) -> str:
        """The environment variable of the setting `name`; empty when it has none."""
        return PREFIX + name.upper() if self.env is None else self.env


def from_keywords(options: Mapping[str, Option], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The checked keywords; those that are None are left out.

    Raises:
        ConfigError: A keyword is unknown or its value wrong.
    """
    allowed = [name for name, option in options.items() if option.keyword]
    for name in keywords:
        require_known(name, allowed, "The keyword")
    return {
        name: options[name].kind.parse(value, f"The keyword {name}")
        for name, value in keywords.items()
        if value is not None
    }


def from_environment(options: Mapping[str, Option], environ: Mapping[str, str]) -> dict[str, Any]:
    """The checked values of our environment variables; empty ones are left out.

    Raises:
        ConfigError: A variable with our prefix is unknown, or a value wrong.
    """
    variables = {option.variable(name): name for name, option in options.items()}
    for variable in environ:
        ours = variable.startswith(PREFIX) and variable not in RESERVED_VARIABLES
        if ours and not re.search(_NO_SETTING, variable):
            require_known(variable, variables, "The environment variable")
    values = {}
    for variable, name in variables.items():
        text = environ.get(variable, "").strip()
        if not text:
            continue
        option = options[name]
        try:
            values[name] = option.kind.parse_text(text, f"The environment variable {variable}")
        except ConfigError as exc:
            if not option.shared:
                raise
            _warn_once(variable, f"{exc} The default is used.")
    return values


def read_key(path: str, kind: Kind) -> Any:
    """The key that the file at `path` holds.

    Raises:
        ConfigError: The file cannot be read or the key is not of its `kind`.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as exc:
        raise ConfigError(f"user_id_key_file {path} cannot be read: {exc.strerror}.") from None
    return kind.parse(content, f"The content of user_id_key_file {path}")


def _warn_once(about: str, text: str) -> None:
    if about not in _warned:
        _warned.add(about)
        _logger.warning("llm-otel: %s", text)
