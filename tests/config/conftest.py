"""The same home as that of the tests of `tests/sign_in`."""

from tests.sign_in.conftest import certified, home, one_world, provider

__all__ = ["certified", "home", "one_world", "provider"]
