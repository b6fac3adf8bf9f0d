"""A login token from an environment variable, as GitLab CI and others hand it to a job."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConfigurationError
from ..login_token import LoginToken
from .base import Clock, RefreshContext, WorkloadTokenSource
from .output import parse_output


class EnvironmentTokenSource(WorkloadTokenSource):
    """``cognito_token_env``."""

    def __init__(self, name: str, *, field: str | None, environ: Mapping[str, str], clock: Clock) -> None:
        self._name = name
        self._field = field
        self._environ = environ
        self._clock = clock

    @property
    def description(self) -> str:
        return f"Variable {self._name} (cognito_token_env)"

    def fetch(self, context: RefreshContext) -> LoginToken:
        text = self._environ.get(self._name)
        if text is None:
            raise ConfigurationError(
                f"{self.description} is not set", remedy=f"Set {self._name} to a login token of the identity provider"
            )
        return parse_output(text, source=self.description, field=self._field, now=self._clock())
