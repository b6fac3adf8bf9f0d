"""A login token that a command prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._util.subprocess import TIME_LIMIT, run_for_output
from ..login_token import LoginToken, decoded
from .base import Clock, RefreshContext, WorkloadTokenSource
from .output import parse_output


class CommandTokenSource(WorkloadTokenSource):
    """``cognito_token_command``."""

    def __init__(
        self,
        command: str,
        *,
        field: str | None,
        environ: Callable[[], Mapping[str, str]],
        clock: Clock,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self._command = command
        self._field = field
        self._environ = environ
        self._clock = clock
        self._time_limit = time_limit

    @property
    def description(self) -> str:
        return "cognito_token_command"

    def fetch(self, context: RefreshContext) -> LoginToken:
        raw = run_for_output(self._command, name=self.description, environ=self._environ(), time_limit=self._time_limit)
        source = f"The output of {self.description}"
        return parse_output(decoded(raw, source=source), source=source, field=self._field, now=self._clock())
