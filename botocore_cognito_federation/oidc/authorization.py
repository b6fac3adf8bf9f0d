"""The authorization request and its answer: redirect URI, state, PKCE, issuer (RFC 6749, 7636, 8252, 9207)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from .._util.urls import is_this_machine
from ..errors import SIGN_IN_AGAIN, CognitoFederationError, ConfigurationError, SignInAgain, SignInFailedError
from ..identity_providers import IdentityProvider
from ..messages import printable
from .client import OIDCClient, ProviderError, provider_error
from .discovery import ProviderMetadata, discover

if TYPE_CHECKING:
    from ..config.settings import Settings

DEFAULT_REDIRECT_URI = "http://127.0.0.1/callback"

#: Characters of a digest: short enough to be typed at a provider, long enough that two issuers never have the same.
_DIGEST_LENGTH = 12


@dataclass(frozen=True)
class Redirect:
    """A loopback redirect.

    Attributes:
        host: as the provider has it registered: ``127.0.0.1``, ``[::1]`` or ``localhost``.
        path: as registered, perhaps empty.
        ports: tried in turn; 0 is an ephemeral port.
    """

    host: str
    path: str
    ports: tuple[int, ...]

    def uri(self, port: int) -> str:
        """The redirect URI for `port`, letter by letter what most providers compare it with."""
        return f"http://{self.host}:{port}{self.path}"

    def registration(self, port: int) -> str:
        """What to register at the provider for `port`, in words where it is no port in particular."""
        return self.uri(port) if port in self.ports and port else f"http://{self.host}{self.path} (with any port)"

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses to listen on: a browser may take ``localhost`` for either of two."""
        if self.host == "localhost":
            return ("127.0.0.1", "::1")
        return (self.host.strip("[]"),)


def issuer_of(provider: IdentityProvider) -> str:
    """Return what identifies an authorization server: the issuer without one trailing slash, or its name."""
    return (provider.issuer or provider.login_key or provider.name).removesuffix("/")


def redirect_uri_of_its_own(provider: IdentityProvider, host: str = "127.0.0.1") -> str:
    """Return the `cognito_redirect_uri` that no other issuer shares: ``/callback/`` and a digest of the issuer.

    RFC 9700, section 4.4.2: where each issuer has a redirect URI of its own, none can pass off an answer of another one
    as its own (mix-up), also where providers do not name themselves in their answers (RFC 9207).
    """
    digest = hashlib.sha256(issuer_of(provider).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"http://{host}/callback/{digest}"


def loopback_redirect(uri: str | None, ports: tuple[int, ...]) -> Redirect:
    """The redirect of `cognito_redirect_uri` and `cognito_redirect_ports`.

    Args:
        uri: None for ``http://127.0.0.1:<port>/callback``. A port in it is the only one.

    Raises:
        ConfigurationError: the URI is not http to loopback, or there is no port to try.
    """
    parts = urlsplit((uri or DEFAULT_REDIRECT_URI).replace(":<port>", ""))
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    plain = not (parts.query or parts.fragment or "@" in parts.netloc or parts.path.startswith(("/done", "/start/")))
    if parts.scheme != "http" or not is_this_machine(host) or not plain:
        raise ConfigurationError(
            "cognito_redirect_uri must be http to 127.0.0.1, [::1] or localhost for a sign-in with the browser here",
            remedy="Set cognito_redirect_uri = http://127.0.0.1:<port>/callback, or cognito_grant = remote",
        )
    chosen = (port,) if port else ports
    if not chosen or any(not 0 <= p <= 65535 for p in chosen):
        raise ConfigurationError("cognito_redirect_ports has no port", remedy="Set it to numbers up to 65535, or to 0")
    return Redirect(f"[{host}]" if ":" in host else host, parts.path, chosen)


def refuse_shared_redirect(settings: Settings, oidc: OIDCClient, every: Iterable[Settings]) -> None:
    """Refuse a sign-in in which another provider could pass off its answer as the one that is waited for.

    Mix-up (RFC 9700, section 4.4): a provider sends the browser on to another one, with our redirect URI, and is then
    given the other one's code. It needs two issuers with one redirect URI, and a provider that does not name itself in
    its answers (RFC 9207). New profiles have a redirect URI of their own for each issuer.

    Args:
        every: the sign-ins that the configuration has.

    Raises:
        ConfigurationError: naming the redirect URI to register.
        TemporaryError: the provider that signs in cannot be asked what it promises.
    """
    mine = issuer_of(oidc.provider)
    others = {}
    for each in every:
        provider = each.provider
        if provider is None or provider.no_sign_in_reason or issuer_of(provider) == mine:
            continue
        if _are_one(_redirect_of(settings, oidc.provider), _redirect_of(each, provider)):
            others[issuer_of(provider)] = provider
    if not others:
        return
    silent = oidc.provider if not oidc.metadata().answers_with_iss else _first_silent(others.values(), oidc)
    if silent is None:
        return
    other = next(iter(others)) if silent is oidc.provider else issuer_of(silent)
    raise ConfigurationError(
        f"{mine} and {other} have the same redirect URI, and {issuer_of(silent)} does not promise to name itself in its"
        " answers (RFC 9207), so that an answer of one could be taken for one of the other",
        remedy=_redirect_to_register(settings, oidc.provider),
    )


def _first_silent(others: Iterable[IdentityProvider], oidc: OIDCClient) -> IdentityProvider | None:
    """Return a provider that does not name itself. One that cannot be asked has no say: the one that signs in does."""
    for other in others:
        try:
            metadata = discover(oidc.http, other, oidc.documents, now=oidc.clock.now())
        except CognitoFederationError:
            continue
        if not metadata.answers_with_iss:
            return other
    return None


def _redirect_of(settings: Settings, provider: IdentityProvider) -> Redirect | str:
    try:
        return loopback_redirect(settings.redirect_uri, settings.redirect_ports or provider.redirect_ports)
    except ConfigurationError:
        return settings.redirect_uri or ""


def _are_one(one: Redirect | str, other: Redirect | str) -> bool:
    """Return whether a provider that knows one would take the other. Port 0 is any port."""
    if not isinstance(one, Redirect) or not isinstance(other, Redirect):
        return one == other
    ports = set(one.ports) & set(other.ports) or 0 in one.ports or 0 in other.ports
    return bool(ports) and (one.host, one.path) == (other.host, other.path)


def _redirect_to_register(settings: Settings, provider: IdentityProvider) -> str:
    redirect = _redirect_of(settings, provider)
    if not isinstance(redirect, Redirect):
        return "Give one of the two another cognito_redirect_uri"
    uri = redirect_uri_of_its_own(provider, redirect.host)
    own = loopback_redirect(uri, redirect.ports)
    register = " and ".join(own.registration(port) for port in own.ports)
    return f"Register {register} at {provider.name}, and set cognito_redirect_uri = {uri}"


_SET_BY_THE_SIGN_IN = frozenset(
    {
        "client_id",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)
WHAT_HELPS: dict[str, str] = {
    "access_denied": "Sign in again and allow the access, or ask an administrator of the provider for it",
    "invalid_scope": "Set cognito_scopes to scopes this client may ask for",
    "unauthorized_client": "Allow the authorization code grant for this client at the provider",
    "unsupported_response_type": "Allow the authorization code grant for this client at the provider",
    "invalid_request": "Check cognito_auth_params and how the client is registered at the provider",
    "temporarily_unavailable": "Try again in a moment",
    "server_error": "Try again; if it persists, ask the provider",
}


def without_browser(metadata: ProviderMetadata) -> str:
    """The remedy where a provider has no authorization endpoint."""
    if metadata.device_authorization_endpoint is not None:
        return "Set cognito_grant = device-code"
    return "Set cognito_issuer to the issuer whose document has it, or report it to the provider"


def what_helps(found: ProviderError) -> str | SignInAgain:
    """The remedy of what an authorization endpoint refuses."""
    if "code_challenge" in found.description.lower() or "pkce" in found.description.lower():
        return "Allow PKCE with S256 for this client at the provider"
    return WHAT_HELPS.get(found.code, SIGN_IN_AGAIN)


class NotOurAnswerError(SignInFailedError):
    """The answer belongs to another request (`state`): it is ignored, and the sign-in still waits for its own."""


@dataclass(frozen=True)
class AuthorizationRequest:
    """One authorization request; used once.

    Attributes:
        url: what the browser opens. Not for argv: other users of the machine see that.
        issuer: what `iss` in the answer must be; None for OAuth 2.0 providers.
        needs_iss: an answer without `iss` is refused.
        prompt: the `prompt` parameter (OpenID Connect Core, section 3.1.2.1); None where it has none.
    """

    url: str = field(repr=False)
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    issuer: str | None
    needs_iss: bool
    prompt: str | None = None


def authorization_request(
    oidc: OIDCClient,
    metadata: ProviderMetadata,
    redirect_uri: str,
    *,
    login_hint: str | None = None,
    prompt: str | None = None,
    random: Callable[[int], str] = secrets.token_urlsafe,
) -> AuthorizationRequest:
    """A fresh request.

    Args:
        prompt: `prompt` parameter, where `cognito_auth_params` does not set one; default is what `offline_access`
            needs.
        random: text from that many random bytes.

    Raises:
        ConfigurationError: the provider has no authorization endpoint, or `cognito_auth_params` sets a parameter on
            which the safety of the sign-in rests.
    """
    if metadata.authorization_endpoint is None:
        raise ConfigurationError(
            f"{oidc.provider.name} has no authorization endpoint", remedy=without_browser(metadata)
        )
    state, nonce, verifier = random(32), random(32), random(48)
    scopes = effective_scopes(oidc, metadata)
    parameters = dict(oidc.provider.authorization_parameters) | configured_parameters(oidc)
    prompt = prompt or consent_for_offline_access(oidc, metadata, scopes)
    if prompt is not None:
        parameters.setdefault("prompt", prompt)
    if login_hint:
        parameters.setdefault("login_hint", login_hint)
    parameters |= {
        "response_type": "code",
        "client_id": oidc.client.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge": _s256(verifier),
        "code_challenge_method": "S256",
    }
    if metadata.issuer is not None:
        parameters["nonce"] = nonce
    return AuthorizationRequest(
        url=_with_query(metadata.authorization_endpoint, parameters),
        redirect_uri=redirect_uri,
        scopes=scopes,
        state=state,
        nonce=nonce,
        code_verifier=verifier,
        issuer=metadata.issuer,
        needs_iss=metadata.answers_with_iss,
        prompt=parameters.get("prompt"),
    )


def effective_scopes(oidc: OIDCClient, metadata: ProviderMetadata) -> tuple[str, ...]:
    """Return the scopes to request. Configured ones are used unchanged, but an ID token needs `openid`."""
    if oidc.scopes is not None:
        needs_openid = oidc.provider.token_kind == "id_token" and "openid" not in oidc.scopes
        return ("openid", *oidc.scopes) if needs_openid else oidc.scopes
    known = metadata.scopes_supported
    return tuple(s for s in oidc.provider.scopes if known is None or s in known or s == "openid")


def consent_for_offline_access(oidc: OIDCClient, metadata: ProviderMetadata, scopes: Collection[str]) -> str | None:
    """Return the `prompt` that a request for `offline_access` needs; None where it needs none.

    OpenID Connect Core, section 11: without a request for consent a provider must ignore `offline_access`, and a strict
    one refuses the whole request on a page of its own. `cognito_auth_params` may set another prompt.
    """
    asked = "offline_access" in scopes and oidc.provider.asks_consent_for_refresh_token
    known = metadata.prompts_supported
    return "consent" if asked and (known is None or "consent" in known) else None


def read_answer(request: AuthorizationRequest, query: str) -> str:
    """The authorization code in the query of the redirect.

    Raises:
        NotOurAnswerError: `state` is not the request's; nothing else in the query is looked at.
        SignInFailedError: another issuer answered (mix-up, RFC 9207), or the provider refused.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        pairs = []
    answer = dict(pairs)
    if not hmac.compare_digest(answer.get("state", "").encode("utf-8", "replace"), request.state.encode()):
        raise NotOurAnswerError("The answer does not belong to this sign-in (state)", remedy=SIGN_IN_AGAIN)
    if len(answer) != len(pairs):
        raise SignInFailedError("The answer of the provider repeats a parameter", remedy=SIGN_IN_AGAIN)
    _check_issuer(request, answer.get("iss"))
    if "error" in answer:
        found = provider_error(answer["error"], answer.get("error_description"), secrets=(request.state,))
        raise SignInFailedError(f"The identity provider did not sign you in ({found})", remedy=what_helps(found))
    code = answer.get("code", "")
    if not code.strip():
        raise SignInFailedError("The answer of the provider has no authorization code", remedy=SIGN_IN_AGAIN)
    return code


def query_of_pasted(text: str) -> str:
    """Return the query in a pasted text: the whole redirected URL, or only the part after its question mark.

    Raises:
        ValueError: there is none in it.
    """
    text = "".join(text.split()).strip("'\"<>")  # terminals break long lines when copying
    query = (text.partition("?")[2] if "?" in text else text).partition("#")[0]
    names = {pair.partition("=")[0] for pair in query.split("&")}
    if "state" not in names or not names & {"code", "error"}:  # the address that was to be opened has a state too
        raise ValueError("no answer of an authorization server")
    return query


def _check_issuer(request: AuthorizationRequest, found: str | None) -> None:
    if request.issuer is None or (found is None and not request.needs_iss):
        return
    if found is None:
        raise SignInFailedError(
            f"The answer names no issuer (iss), although {request.issuer} promises to name itself (RFC 9207)",
            remedy=SIGN_IN_AGAIN,
        )
    if found != request.issuer:
        raise SignInFailedError(
            f"The answer comes from another issuer: {printable(found, 200)}, not {request.issuer}", remedy=SIGN_IN_AGAIN
        )


def configured_parameters(oidc: OIDCClient) -> dict[str, str]:
    """`cognito_auth_params`, unless they set what the sign-in itself must.

    Raises:
        ConfigurationError: they do.
    """
    parameters = dict(oidc.authorization_parameters)
    refused = sorted(_SET_BY_THE_SIGN_IN & parameters.keys())
    if refused:
        raise ConfigurationError(
            f"cognito_auth_params must not set {', '.join(refused)}: the sign-in itself sets it", remedy="Remove it"
        )
    return parameters


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with_query(endpoint: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(endpoint)
    query = "&".join(filter(None, [parts.query, urlencode(parameters)]))
    return parts._replace(query=query, fragment="").geturl()
