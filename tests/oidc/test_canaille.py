"""Against Canaille, whose ID tokens are for a list of clients and signed with RS512."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from botocore_cognito_federation.errors import SignInFailedError
from botocore_cognito_federation.oidc.authorization import loopback_redirect
from botocore_cognito_federation.oidc.client import AuthenticationResult, OIDCClient, TokenAnswer
from botocore_cognito_federation.oidc.tokens import GrantEndedError, NoIdTokenError, refresh_tokens, validate_response
from tests.oidc.person import Person, sign_in
from tests.servers import canaille
from tests.servers.canaille import Canaille
from tests.servers.oidc_provider.browser import ScriptedBrowser

pytestmark = pytest.mark.thorough

MakeClient = Callable[..., OIDCClient]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaille]:
    with canaille.running(tmp_path_factory.mktemp("canaille")) as running:
        yield running


@pytest.fixture
def oidc_client(server: Canaille, make_client: MakeClient) -> OIDCClient:
    return make_client(server.issuer, "native")


@pytest.fixture
def signed_in(server: Canaille, oidc_client: OIDCClient) -> AuthenticationResult:
    return sign_in(oidc_client, Person(ScriptedBrowser()), loopback_redirect(server.redirect_uri, ()))


def test_an_id_token_for_a_list_of_clients_signs_in_the_one_that_is_among_them(signed_in: AuthenticationResult) -> None:
    assert signed_in.claims["aud"] == ["api", "native"]
    assert "azp" not in signed_in.claims
    assert signed_in.subject == "ada"
    assert signed_in.refresh_token


def test_an_id_token_for_a_list_of_clients_is_refused_by_one_that_is_not_among_them(
    server: Canaille, signed_in: AuthenticationResult, make_client: MakeClient
) -> None:
    oidc_client = make_client(server.issuer, "nati")
    with pytest.raises(SignInFailedError, match="for another client"):
        validate_response(oidc_client, oidc_client.metadata(), TokenAnswer(signed_in.id_token, signed_in.access_token))


def test_a_refresh_token_used_twice_ends_itself_but_not_the_one_that_replaced_it(
    oidc_client: OIDCClient, signed_in: AuthenticationResult
) -> None:
    with pytest.raises(NoIdTokenError) as first:
        refresh_tokens(oidc_client, signed_in.refresh_token or "")
    with pytest.raises(GrantEndedError, match="invalid_grant"):
        refresh_tokens(oidc_client, signed_in.refresh_token or "")
    with pytest.raises(NoIdTokenError) as again:
        refresh_tokens(oidc_client, first.value.answer.refresh_token or "")
    assert again.value.answer.rotated
