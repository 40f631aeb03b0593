"""Create the development environment; runs on any Python, before anything is installed."""

from __future__ import print_function

import os
import shutil
import subprocess
import sys

OLDEST = (3, 10)


def main(venv):
    """Make `venv` and install the project into it, editable, with what its tests need."""
    if sys.version_info < OLDEST:
        sys.exit(
            "llm-otel needs Python %d.%d or newer; %s is %d.%d. Name another one: "
            "make PYTHON=/path/to/python3 ..."
            % (OLDEST + (sys.executable,) + tuple(sys.version_info[:2]))
        )
    python = os.path.join(venv, "bin", "python")
    environment = dict(os.environ, UV_LINK_MODE="copy", PIP_DISABLE_PIP_VERSION_CHECK="1")
    uv = shutil.which("uv")
    print("set-up: creating %s with Python %d.%d" % ((venv,) + tuple(sys.version_info[:2])))
    sys.stdout.flush()
    if uv:
        run(
            [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, venv],
            environment,
        )
        install = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        run([sys.executable, "-m", "venv", venv], environment)
        install = [python, "-m", "pip", "install", "--quiet"]
        # `--group` needs pip 25.1
        run(install + ["--upgrade", "pip"], environment)
    print("set-up: installing llm-otel and what its tests need (a minute or two, once)")
    sys.stdout.flush()
    run(install + ["--editable", ".[local]", "--group", "dev"], environment)


def run(command, environment):
    """Run a command; its failure is ours, in one sentence."""
    try:
        code = subprocess.call(command, env=environment)
    except OSError as exc:
        sys.exit("set-up: cannot run %s: %s" % (command[0], exc))
    if code:
        sys.exit("set-up: %s failed (exit %d); see above." % (" ".join(command[:4]), code))


if __name__ == "__main__":
    main(sys.argv[1])
