"""The same home as that of the tests of `tests/cli`."""

from tests.cli.conftest import home, inside

__all__ = ["home", "inside"]
