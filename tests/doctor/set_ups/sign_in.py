"""Signing in: the provider's answers, the client's registration, the browser's way back."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from typing import Any

from .model import CREDENTIALS, LOGIN, ByHand, Dash, Literal, SetUp, Words, person
from .place import Place

_AT_PROVIDER = "what the provider refuses is only seen while somebody signs in"
_USER = "only the user's own answer in the browser shows it"


def _knobs(**knobs: Any) -> Callable[[Place], object]:
    def prepare(place: Place) -> None:
        place.op.knobs.update(knobs)

    return prepare


def _cleared(place: Place) -> None:
    """The provider is repaired, and the time is over for which its documents are cached."""
    place.op.knobs.clear()
    shutil.rmtree(place.cache / "documents", ignore_errors=True)


def _ended(place: Place) -> None:
    """The provider ends the sign-in, and its ID token has expired."""
    place.op.knobs["refresh_error"] = {"error": "invalid_grant", "error_description": "Token has been revoked."}


def _taken(place: Place) -> None:
    """Another program listens on the port."""
    server = socket.create_server(("127.0.0.1", 0))
    place.facts["port"] = str(server.getsockname()[1])
    place.edit("cognito_redirect_ports = 0", "cognito_redirect_ports = $port")
    place.held.append(server)


def _refused(error: str, text: str, says: str, remedy: str, **more: Any) -> SetUp:
    """The authorization endpoint sends the browser back with an error."""
    answer = {"error": error, "error_description": text}
    return SetUp(
        f"the provider refuses with {error}: {text}",
        says,
        ByHand(remedy, _cleared),
        doctor=Dash(_AT_PROVIDER),
        config=person(),
        command=LOGIN,
        prepare=_knobs(authorize_error=answer),
        **more,
    )


def _at_token_endpoint(error: str, text: str, says: str, remedy: str) -> SetUp:
    return SetUp(
        f"the token endpoint refuses with {error}: {text}",
        says,
        ByHand(remedy, _cleared),
        doctor=Dash(_AT_PROVIDER),
        config=person(),
        command=LOGIN,
        prepare=_knobs(token_error={"error": error, "error_description": text, "status": 400}),
    )


def _discovery(name: str, says: str, remedy: str, **knobs: Any) -> SetUp:
    """Something is wrong with the provider's own documents, which `doctor` reads too."""
    return SetUp(
        name,
        says,
        ByHand(remedy, _cleared),
        config=person(),
        command=LOGIN,
        prepare=_knobs(**knobs),
    )


_DEVICE: Words = ("cognito-federation", "login", "--profile", "dev", "--use-device-code", "--timeout", "4")

ROWS = (
    SetUp(
        "nobody has signed in",
        r"Not signed in",
        Literal({"cognito-federation login": "cognito-federation login --browser-command '$python $browser %s'"}),
        config=person(),
    ),
    SetUp(
        "no client ID",
        r"cognito_client_id",
        Literal({"CLIENT_ID": "cli"}),
        config=person("cognito_client_id = cli\n", ""),
        command=LOGIN,
    ),
    SetUp(
        "a client ID that the provider does not know",
        r"cognito_client_id",
        ByHand(r"cognito_client_id", lambda place: place.edit("= wrong", "= cli")),
        doctor=Dash(_AT_PROVIDER),
        config=person("= cli", "= wrong"),
        command=LOGIN,
        prepare=_knobs(clients=["cli"]),
    ),
    SetUp(
        "a client ID that the identity pool does not list",
        r"does not accept.*aud other-client",
        ByHand(
            r"[Aa]dd the provider, or this client ID",
            lambda place: place.world.trust_issuer(place.op.issuer, ["cli", "other-client"]),
        ),
        config=person("= cli", "= other-client"),
        command=LOGIN,
        doctor=r"other-client|aud other-client",
    ),
    SetUp(
        "a slash at the end of the issuer",
        r"issuer.*/",
        config=person(more="cognito_issuer = $op/"),
        command=LOGIN,
    ),
    SetUp(
        "an issuer without TLS",
        r"cognito_issuer.*http to idp\.corp\.example",
        ByHand(r"https", lambda place: place.edit("http://idp.corp.example", "$op")),
        config=person(more="cognito_issuer = http://idp.corp.example"),
        command=LOGIN,
    ),
    SetUp(
        "a provider's address without TLS",
        r"cognito_provider.*http to corp\.eu\.auth0\.com",
        ByHand(r"https", lambda place: place.edit("http://corp.eu.auth0.com", "$op")),
        config=person("= $op", "= http://corp.eu.auth0.com"),
        command=LOGIN,
    ),
    SetUp(
        "an issuer called localhost",
        r"localhost.*127\.0\.0\.1",
        config=person(
            "cognito_provider = $op", "cognito_provider = $op\ncognito_endpoint_url = http://localhost:$port"
        ),
        command=LOGIN,
    ),
    SetUp(
        "the address of the discovery document in the place of the issuer",
        r"\.well-known/openid-configuration",
        config=person("= $op", "= $op/.well-known/openid-configuration"),
        command=LOGIN,
    ),
    SetUp(
        "a provider's port on which nothing listens",
        r"127\.0\.0\.1:9\b",
        ByHand(r"cognito_provider|network|running", lambda place: place.edit("http://127.0.0.1:9", "$op")),
        config=person("= $op", "= http://127.0.0.1:9"),
        command=LOGIN,
    ),
    _discovery(
        "no discovery document", r"404.*|openid-configuration", r"cognito_(issuer|provider)", discovery_page=(404, "no")
    ),
    _discovery(
        "a page in the place of the discovery document",
        r"JSON|web page|HTML",
        r"cognito_issuer|proxy|network|portal",
        discovery_page=(200, "<html>portal</html>"),
    ),
    _discovery("a provider that is down", r"503", r"[Tt]ry again", discovery_page=(503, "down")),
    _discovery(
        "a discovery document that has moved",
        r"login\.corp\.example",
        r"final URL",
        discovery_redirect="https://login.corp.example/.well-known/openid-configuration",
    ),
    _discovery(
        "the document of another issuer",
        r"https://other\.example",
        r"cognito_issuer",
        discovery={"issuer": "https://other.example"},
    ),
    _discovery(
        "keys at an address where nothing answers",
        r"jwks_uri",
        r"network|provider",
        discovery={"jwks_uri": "http://127.0.0.1:9/jwks"},
    ),
    _discovery("no keys", r"404.*|keys", r"jwks_uri|provider", jwks_status=404),
    _discovery("no address of keys", r"jwks_uri", r"provider|jwks_uri", discovery={"jwks_uri": None}),
    _discovery("no token endpoint", r"token_endpoint", r"provider|token_endpoint", discovery={"token_endpoint": None}),
    _discovery(
        "no authorization endpoint",
        r"no authorization.endpoint",
        r"provider|cognito_grant",
        discovery={"authorization_endpoint": None},
    ),
    _discovery(
        "a token endpoint without TLS",
        r"token_endpoint.*http to idp\.example",
        r"https|provider",
        discovery={"token_endpoint": "http://idp.example/token"},
    ),
    _discovery("signatures that identity pools do not take", r"ES256.*RS256", r"RS256", algorithm="ES256"),
    SetUp(
        "no ID token",
        r"no ID token",
        ByHand(r"openid", _cleared),
        doctor=Dash(_AT_PROVIDER),
        config=person(),
        command=LOGIN,
        prepare=_knobs(left_out=("id_token",)),
    ),
    SetUp(
        "no refresh token",
        Dash("the sign-in works until its ID token ends"),
        ByHand(r"offline_access|refresh token", _cleared),
        doctor=r"no refresh token",
        config=person(),
        prepare=_knobs(left_out=("refresh_token",)),
        before=(),
        command=LOGIN,
        works=LOGIN,
    ),
    SetUp(
        "a refresh token that was revoked",
        r"revoked|ended",
        Literal({"cognito-federation login": "cognito-federation login --browser-command '$python $browser %s'"}),
        config=person(),
        before=(LOGIN,),
        prepare=lambda place: (_ended(place), place.expire_id_token()),
    ),
    SetUp(
        "a renewal without an ID token after Cognito has refused the last one",
        r"could not verify the signature.*without an ID token",
        ByHand(r"keys", Place.take_tokens_again),
        doctor=r"could not verify the signature",
        config=person(),
        before=(LOGIN,),
        prepare=lambda place: place.refuse_token_and_renewal(),
    ),
    _refused(
        "access_denied",
        "User did not authorize the request",
        r"access_denied|did not authorize",
        r"consent|login|again",
    ),
    _refused("invalid_scope", "offline_access not allowed", r"invalid_scope.*offline_access", r"cognito_scopes"),
    _refused(
        "invalid_request",
        "code_challenge is not supported for this client",
        r"code_challenge",
        r"PKCE|S256|public client",
    ),
    _refused(
        "unauthorized_client",
        "Grant type 'authorization_code' not allowed for the client.",
        r"authorization_code",
        r"grant|client",
    ),
    _refused(
        "consent_required", "Consent is required", r"consent_required|Consent is required", r"prompt=consent|consent"
    ),
    _refused("login_required", "", r"login_required", r"login|sign in|prompt"),
    _refused("temporarily_unavailable", "maintenance", r"temporarily_unavailable|maintenance", r"[Tt]ry again"),
    _refused("server_error", "x", r"server_error", r"[Tt]ry again|provider"),
    _refused(
        "unsupported_response_type",
        "code not enabled",
        r"unsupported_response_type|code not enabled",
        r"client|provider",
    ),
    _refused("invalid_target", "audience unknown", r"invalid_target|audience unknown", r"auth_params|audience"),
    _at_token_endpoint(
        "invalid_client", "Client authentication failed", r"invalid_client|Client authentication failed", r"client"
    ),
    _at_token_endpoint("unauthorized_client", "The client is not allowed", r"not allowed", r"client"),
    _at_token_endpoint(
        "invalid_grant", "Invalid authorization code", r"Invalid authorization code|invalid_grant", r"login"
    ),
    _at_token_endpoint("invalid_grant", "redirect_uri mismatch", r"redirect_uri", r"redirect"),
    SetUp(
        "a client that needs its secret",
        r"client_secret is missing",
        Literal({"VARIABLE": "SECRET"}),
        doctor=Dash(_AT_PROVIDER),
        config=person(),
        command=LOGIN,
        environ={"SECRET": "x"},
        prepare=_knobs(
            token_error={"error": "invalid_request", "error_description": "client_secret is missing."},
            secret_helps=True,
        ),
    ),
    SetUp(
        "a renewal that needs the client's secret",
        r"client_secret is missing",
        Literal({"VARIABLE": "SECRET"}),
        config=person(),
        before=(LOGIN,),
        environ={"SECRET": "x"},
        prepare=lambda place: (
            place.op.knobs.update(
                refresh_error={"error": "invalid_request", "error_description": "client_secret is missing."},
                secret_helps=True,
            ),
            place.expire_id_token(),
        ),
    ),
    SetUp(
        "a secret's variable that is not set",
        r"CORP_SECRET",
        ByHand(r"Set CORP_SECRET", lambda place: place.environ.update(CORP_SECRET="x")),
        config=person(more="cognito_client_secret_env = CORP_SECRET"),
        command=LOGIN,
    ),
    SetUp(
        "a secret's command that fails",
        r"cognito_client_secret_command",
        ByHand(r"cognito_client_secret_command", lambda place: place.edit("= false", "= echo x")),
        config=person(more="cognito_client_secret_command = false"),
        command=LOGIN,
    ),
    SetUp(
        "a redirect that is not registered",
        r"http://127\.0\.0\.1(:\d+)?/callback",
        ByHand(r"[Rr]egister|cognito_redirect", _cleared),
        doctor=Dash(_AT_PROVIDER),
        config=person(),
        command=LOGIN,
        prepare=_knobs(redirects=["http://127.0.0.1:8400/callback"]),
    ),
    SetUp(
        "a port that another program uses",
        r"[Pp]ort \d+",
        ByHand(r"cognito_redirect_ports|[Ee]nd", lambda place: place.held.pop().close()),
        config=person(),
        command=LOGIN,
        prepare=_taken,
    ),
    SetUp(
        "a redirect on another machine",
        r"cognito_redirect_uri must be http to 127\.0\.0\.1",
        ByHand(
            r"cognito_redirect_uri|--no-browser|127\.0\.0\.1",
            lambda place: place.edit("cognito_redirect_uri = https://app.example/callback\n", ""),
        ),
        config=person(more="cognito_redirect_uri = https://app.example/callback\ncognito_grant = auth-code"),
        command=LOGIN,
    ),
    SetUp(
        "a page that the user closes",
        r"not finished within 4 seconds",
        ByHand(r"again|login", _cleared),
        doctor=Dash(_USER),
        config=person(),
        command=LOGIN,
        prepare=_knobs(page="<h1>Sign in</h1>"),
    ),
    SetUp(
        "a browser that cannot be started",
        r"/nowhere/browser",
        ByHand(r"--browser-command|--no-browser|BROWSER", lambda place: None),
        doctor=Dash("the browser is named on the command line of the sign-in"),
        config=person(),
        command=(
            "cognito-federation",
            "login",
            "--profile",
            "dev",
            "--timeout",
            "2",
            "--browser-command",
            "/nowhere/browser %s",
        ),
        works=LOGIN,
    ),
    SetUp(
        "a device code at a provider without one",
        r"device",
        ByHand(r"browser|without|--use-device-code", lambda place: None),
        doctor=Dash("the device code is asked for on the command line of the sign-in"),
        config=person(),
        command=_DEVICE,
        works=LOGIN,
    ),
    SetUp(
        "the signed-in user at another client",
        r"Not signed in|another client|cognito_client_id",
        Literal({"cognito-federation login": "cognito-federation login --browser-command '$python $browser %s'"}),
        config=person(),
        before=(LOGIN,),
        prepare=lambda place: (
            place.world.trust_issuer(place.op.issuer, ["cli", "cli2"]),
            place.edit("= cli\n", "= cli2\n"),
        ),
        command=CREDENTIALS,
    ),
)
