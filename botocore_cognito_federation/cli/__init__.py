"""The command line ``cognito-federation``: one command a file, imported only past the warm path."""

from __future__ import annotations


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from .._util.interruption import hold_signals
    from .app import run

    hold_signals()
    raise SystemExit(run())
