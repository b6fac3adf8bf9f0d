"""Uses the home of the tests in `tests/login_tokens`."""

from tests.login_tokens.conftest import home, inside, metadata

__all__ = ["home", "inside", "metadata"]
