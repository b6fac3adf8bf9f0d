"""Login tokens that the provider issues for another token of the user: token exchange, and on-behalf-of.

The configuration names the client at the provider as for sign-ins, and where the other token, the subject token, is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..errors import TokenRefreshError
from ..identity_providers import TOKEN_TYPES
from ..login_token import LoginToken
from ..messages import span
from .base import Binding, LoginTokenProvider, Now, RefreshContext, SourceContext, SourceDeclaration
from .local import EnvironmentTokenProvider, FileTokenProvider, path_of, variables_of

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..oidc.client import OIDCClient
    from ..oidc.exchange import ExchangeRequest

_FILE, _VARIABLE = "subject_token_file", "subject_token_env"


class ExchangedTokenProvider(LoginTokenProvider):
    """``cognito_token_source = token-exchange`` and ``on-behalf-of``.

    Args:
        name: the name of the source.
        subject: where the subject token comes from.
        client: makes the client of the provider.
        request: makes the request for a subject token.
        clock: returns seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        subject: LoginTokenProvider,
        *,
        client: Callable[[], OIDCClient],
        request: Callable[[str], ExchangeRequest],
        clock: Now,
    ) -> None:
        self._name = name
        self._subject = subject
        self._client = client
        self._request = request
        self._clock = clock

    @property
    def description(self) -> str:
        return f"{self._name} of {self._subject.description}"

    def fetch(self, context: RefreshContext) -> LoginToken:
        from ..oidc.exchange import exchange_token

        subject, now = self._subject.fetch(context), self._clock()
        if subject.expires_at is not None and subject.expires_at <= now:
            raise TokenRefreshError(
                f"{self._subject.description} holds a token that expired {span(now - subject.expires_at)} ago",
                remedy="Let what writes it write a new one",
            )
        found = exchange_token(self._client(), self._request(subject.value))
        return LoginToken.of(found.login_token, expires_at=found.expires_at)


def _subject_of(settings: Settings, context: SourceContext) -> LoginTokenProvider:
    field, clock = settings.token_field, context.clock.now
    if settings.subject_token_file is not None:
        return FileTokenProvider(settings.subject_token_file, field=field, clock=clock, name=f"cognito_{_FILE}")
    assert settings.subject_token_env is not None, "checked with the settings"
    return EnvironmentTokenProvider(
        settings.subject_token_env, field=field, environ=context.environ, clock=clock, key=f"cognito_{_VARIABLE}"
    )


def _open(name: str, settings: Settings, context: SourceContext) -> ExchangedTokenProvider:
    def client() -> OIDCClient:
        from ..oidc.client import oidc_client

        return oidc_client(settings, context.store, context.environ)

    def request(token: str) -> ExchangeRequest:
        from ..oidc.exchange import ExchangeRequest

        return ExchangeRequest(
            token,
            settings.subject_token_type or TOKEN_TYPES["access_token"],
            settings.requested_token_type,
            settings.token_audience,
            on_behalf_of=name == ON_BEHALF_OF.name,
        )

    return ExchangedTokenProvider(
        name, _subject_of(settings, context), client=client, request=request, clock=context.clock.now
    )


def _bindings(settings: Settings) -> tuple[Binding, ...]:
    if settings.subject_token_file is None:
        return (Binding("variable", settings.subject_token_env or ""),)
    variables = (Binding("variable", name) for name in variables_of(settings.subject_token_file))
    return (Binding("file", path_of(settings.subject_token_file)), *variables)


def _remedy(settings: Settings) -> str:
    return f"Give a new token in {settings.subject_token_file or settings.subject_token_env}"


def _declared(name: str, *options: str) -> SourceDeclaration:
    return SourceDeclaration(
        "token_source",
        partial(_open, name),
        _remedy,
        name=name,
        options=(_FILE, _VARIABLE, *options, "token_field"),
        one_of={_FILE: "the file of the user's token", _VARIABLE: "the variable that holds it"},
        bindings=_bindings,
        bindings_name_user=True,
        # The provider answers for the claims of its tokens. But whoever calls this process gives the subject token, so
        # an identity that is fixed must not be answered for before that token was seen.
        address_is_fixed=lambda settings, environ: settings.identity_id is None,
        asks_server=True,
    )


TOKEN_EXCHANGE = _declared("token-exchange", "subject_token_type", "requested_token_type", "token_audience")
ON_BEHALF_OF = _declared("on-behalf-of")
