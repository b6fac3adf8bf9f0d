"""The same home as that of the tests of `tests/login`."""

from tests.login.conftest import certified, home, one_world, provider

__all__ = ["certified", "home", "one_world", "provider"]
