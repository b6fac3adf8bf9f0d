"""Uses the home of the tests in `tests/cli`."""

from tests.cli.conftest import home, inside

__all__ = ["home", "inside"]
