"""The end of a stack."""

from __future__ import annotations

from compose.stack import LABEL, Stack


def test_the_end_leaves_nothing(stack: Stack) -> None:
    """All profiles, volumes and the network are gone with one command."""
    assert stack.compose("--profile", "sample", "up", "--detach", "sample").returncode == 0
    down = stack.compose("--profile", "*", "down", "--volumes")
    assert down.returncode == 0, down.stderr
    for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
        assert stack.run("docker", *kind, "--quiet", "--filter", f"label={LABEL}").stdout == "", (
            kind
        )
