"""The job's own token on CI systems that hold it in a variable or print it by a command: GitLab, CircleCI, Buildkite.

GitHub Actions has a URL, and is in `url`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .base import Binding, LoginTokenProvider, Now, RefreshContext, SourceContext, SourceDeclaration
from .local import CommandTokenProvider, EnvironmentTokenProvider

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..login_token import LoginToken

_CIRCLECI_VARIABLES = ("CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN")
_BUILDKITE_VARIABLES = ("BUILDKITE_JOB_ID", "BUILDKITE_AGENT_ACCESS_TOKEN")


def gitlab_variable(audience: str | None) -> str:
    """Return the variable with the token of a GitLab job.

    The name is the job's choice (``id_tokens``). For an audience it is the one that PyPA's `id` reads, such as
    ``STS_AMAZONAWS_COM_ID_TOKEN``; without one, that of GitLab's page "Connect to cloud services".
    """
    if audience is None:
        return "GITLAB_OIDC_TOKEN"
    return re.sub(r"[^A-Z0-9_]|\A[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"


def _gitlab(settings: Settings, environ: Mapping[str, str], clock: Now) -> LoginTokenProvider:
    return _variable(
        gitlab_variable(settings.token_audience),
        "gitlab",
        environ,
        clock,
        remedy=f"Give the job id_tokens: {gitlab_variable(settings.token_audience)}: with its aud",
    )


def _circleci(settings: Settings, context: SourceContext) -> LoginTokenProvider:
    """The token in the variable has the organization as its audience; the command prints one for any other.

    Source: CircleCI, "OpenID Connect tokens in jobs", custom claims.
    """
    if settings.token_audience is not None:
        claims = json.dumps({"aud": settings.token_audience})
        return _command(("circleci", "run", "oidc", "get", "--claims", claims), "circleci", settings, context)
    name = next((name for name in _CIRCLECI_VARIABLES if context.environ.get(name)), _CIRCLECI_VARIABLES[0])
    remedy = "CircleCI sets it in jobs that use a context"
    return _variable(name, "circleci", context.environ, context.clock.now, remedy=remedy)


def _buildkite(settings: Settings, context: SourceContext) -> LoginTokenProvider:
    """The agent asks Buildkite for a token of five minutes (Buildkite, "buildkite-agent oidc")."""
    audience = ("--audience", settings.token_audience) if settings.token_audience is not None else ()
    return _command(("buildkite-agent", "oidc", "request-token", *audience), "buildkite", settings, context)


class _JobVariable(EnvironmentTokenProvider):
    """A variable that a CI system sets, and what to do where it has not."""

    def __init__(self, name: str, *, environ: Mapping[str, str], clock: Now, key: str, remedy: str) -> None:
        super().__init__(name, field=None, environ=environ, clock=clock, key=key)
        self._missing = remedy

    def fetch(self, context: RefreshContext) -> LoginToken:
        if not self._environ.get(self._name):
            raise ConfigurationError(f"{self.description} is not set", remedy=self._missing)
        return super().fetch(context)


def _variable(name: str, source: str, environ: Mapping[str, str], clock: Now, *, remedy: str) -> LoginTokenProvider:
    return _JobVariable(name, environ=environ, clock=clock, key=f"cognito_token_source = {source}", remedy=remedy)


def _command(words: tuple[str, ...], source: str, settings: Settings, context: SourceContext) -> LoginTokenProvider:
    import shlex
    import shutil

    from .._util.processes import environment_for_children

    name, environ = f"cognito_token_source = {source}", context.environ
    program = shutil.which(words[0], path=environ.get("PATH"))
    if program is None:
        raise ConfigurationError(
            f"{name} finds no program {words[0]}", remedy=f"Run this in a job of {source}, with {words[0]} on the PATH"
        )
    return CommandTokenProvider(
        shlex.join((program, *words[1:])),
        field=None,
        environ=partial(environment_for_children, environ, settings.profile),
        clock=context.clock.now,
        name=name,
    )


def _remedy(settings: Settings) -> str:
    return "Let the job ask for a new token, and check its audience"


GITLAB = SourceDeclaration(
    "token_source",
    lambda settings, context: _gitlab(settings, context.environ, context.clock.now),
    lambda settings: "GitLab makes one token a job, which ends with the job's time limit: start the job again",
    name="gitlab",
    options=("token_audience",),
    bindings=lambda settings: (Binding("variable", gitlab_variable(settings.token_audience)),),
    read=lambda settings, environ: _gitlab(settings, environ, time.time).fetch(RefreshContext()),
)
CIRCLECI = SourceDeclaration(
    "token_source",
    _circleci,
    _remedy,
    name="circleci",
    options=("token_audience",),
    bindings=lambda settings: tuple(Binding("variable", name) for name in _CIRCLECI_VARIABLES),
)
BUILDKITE = SourceDeclaration(
    "token_source",
    _buildkite,
    _remedy,
    name="buildkite",
    options=("token_audience",),
    bindings=lambda settings: tuple(Binding("variable", name) for name in _BUILDKITE_VARIABLES),
)
