"""The same home as that of the tests of `tests/login_tokens`."""

from tests.login_tokens.conftest import home, inside, metadata

__all__ = ["home", "inside", "metadata"]
