"""Uses the home of the tests in `tests/sign_in`."""

from tests.sign_in.conftest import certified, home, one_world, provider

__all__ = ["certified", "home", "one_world", "provider"]
