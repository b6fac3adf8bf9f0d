"""The endpoints at which people sign in to the demo's OpenID provider.

Authorization code with PKCE (RFC 6749, RFC 7636), device grant (RFC 8628), refresh tokens, revocation (RFC 7009), user
information, and the end of a session (OpenID Connect RP-Initiated Logout). Clients are public, and redirect URIs are on
loopback with any port and path (RFC 8252, section 7.3).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from . import people
from .exchange import GrantRefused
from .grants import DEVICE_SECONDS, Grant, Grants
from .people import PEOPLE
from .signing import base64url
from .wire import HttpAnswer

if TYPE_CHECKING:
    from .provider import OpenIdProvider

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
#: The grants of people; the token endpoint also issues tokens to anybody who asks without one of these.
GRANT_TYPES = ("authorization_code", "refresh_token", DEVICE_GRANT)
SCOPES = ("openid", "email", "profile", "offline_access")
TOKEN_SECONDS = 3600
JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?(/[^\s?#]*)?(\?[^\s#]*)?")
#: A S256 challenge: 32 bytes in base64url.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_ASKED_SECONDS = 600


@dataclass(frozen=True)
class ProviderRequest:
    """A request to the provider.

    Attributes:
        method, path: of the request.
        parameters: of the query (GET), or of the form or JSON body (POST).
        repeated: whether a parameter came twice (RFC 6749, section 3.1, forbids it).
        host: the Host header.
        cookie: the Cookie header.
        authorization: the Authorization header.
    """

    method: str
    path: str
    parameters: Mapping[str, Any]
    repeated: bool = False
    host: str = ""
    cookie: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)

    def text(self, name: str) -> str:
        """Return a parameter; empty if it is missing."""
        return str(self.parameters.get(name) or "")


@dataclass(frozen=True)
class _Asked:
    """An authorization request that waits for a person's choice in one browser."""

    browser: str
    redirect_uri: str
    state: str
    scope: tuple[str, ...]
    nonce: str
    challenge: str
    at: float


class AuthorizationServer:
    """The pages and endpoints of one provider for its people.

    Args:
        provider: issues the ID tokens.
        now: the world's clock, in seconds since the epoch.
    """

    def __init__(self, provider: OpenIdProvider, now: Callable[[], float]) -> None:
        self._provider = provider
        self._now = now
        self._grants = Grants(now)
        self._lock = threading.Lock()
        self._asked: dict[str, _Asked] = {}
        self._signed_in: dict[str, str] = {}

    def metadata(self) -> dict[str, Any]:
        """Return what the discovery document says of these endpoints (OpenID Connect Discovery, RFC 8414)."""
        issuer = self._provider.issuer
        return {
            "authorization_endpoint": f"{issuer}/authorize",
            "device_authorization_endpoint": f"{issuer}/device_authorization",
            "revocation_endpoint": f"{issuer}/revoke",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "end_session_endpoint": f"{issuer}/logout",
            "authorization_response_iss_parameter_supported": True,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANT_TYPES),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": list(SCOPES),
        }

    def endpoints(self) -> dict[str, Callable[[ProviderRequest], HttpAnswer]]:
        """Return the endpoints by the names that they have in the journal; the token endpoint is the provider's."""
        return {
            "authorize": self.authorize,
            "device_authorization": self.device_authorization,
            "device": self.device,
            "revoke": self.revoke,
            "userinfo": self.userinfo,
            "logout": self.logout,
        }

    def authorize(self, request: ProviderRequest) -> HttpAnswer:
        """Show the people who can sign in (GET), or take the choice of one (POST)."""
        if refusal := self._refusal_of_page(request):
            return refusal
        return self._chosen(request) if request.method == "POST" else self._asked_for(request)

    def _asked_for(self, request: ProviderRequest) -> HttpAnswer:
        redirect_uri, client_id = request.text("redirect_uri"), request.text("client_id")
        # Errors about these two are never sent to the redirect URI (RFC 6749, section 4.1.2.1).
        if client_id != self._provider.client_id:
            return people.said("Unknown application", f"There is no application with the ID {client_id!r} here.", 400)
        if not _LOOPBACK.fullmatch(redirect_uri):
            return people.said("Unknown address", "The application's redirect URI is not one on this computer.", 400)
        browser = self._browser_of(request)
        scope = tuple(word for word in request.text("scope").split() if word in SCOPES)
        asked = _Asked(
            browser or secrets.token_urlsafe(16),
            redirect_uri,
            request.text("state"),
            scope,
            request.text("nonce"),
            request.text("code_challenge"),
            self._now(),
        )
        if error := _flaw(request, scope):
            return self._back(asked, error=error[0], error_description=error[1])
        subject = self._signed_in.get(asked.browser, "")
        if request.text("prompt") == "none":
            if not subject:
                return self._back(asked, error="login_required", error_description="no user is signed in here")
            return self._granted(asked, subject)
        transaction = secrets.token_urlsafe(16)
        with self._lock:
            self._asked[transaction] = asked
        hint = request.text("login_hint").partition("@")[0].lower()
        form = people.choice(
            f"{self._provider.issuer}/authorize",
            {"transaction": transaction},
            client_id,
            first=hint if hint in PEOPLE else "",
            signed_in="" if request.text("prompt") == "login" else subject,
        )
        return people.page("Sign in to the demo", form, 200, *self._cookie(asked.browser))

    def _chosen(self, request: ProviderRequest) -> HttpAnswer:
        with self._lock:
            asked = self._asked.pop(request.text("transaction"), None)
        if asked is None or asked.browser != self._browser_of(request) or self._now() >= asked.at + _ASKED_SECONDS:
            return people.said("This page is out of date", "Start the sign-in again.", 400)
        subject = request.text("person")
        if subject not in PEOPLE:
            return self._back(asked, error="access_denied", error_description="the person refused")
        self._signed_in[asked.browser] = subject
        return self._granted(asked, subject)

    def _granted(self, asked: _Asked, subject: str) -> HttpAnswer:
        grant = self._grants.open(subject, self._provider.client_id, asked.scope, asked.nonce)
        return self._back(asked, code=self._grants.code(grant, asked.redirect_uri, asked.challenge))

    def _back(self, asked: _Asked, **answer: str) -> HttpAnswer:
        """Send the browser back to the application (RFC 6749, section 4.1.2; RFC 9207)."""
        if asked.state:
            answer["state"] = asked.state
        separator = "&" if "?" in asked.redirect_uri else "?"
        query = urlencode({**answer, "iss": self._provider.issuer})
        headers = (("Location", f"{asked.redirect_uri}{separator}{query}"), ("Cache-Control", "no-store"))
        return HttpAnswer(303, (*headers, ("Referrer-Policy", "no-referrer")), b"", answer.get("error", ""))

    def token(self, request: ProviderRequest) -> HttpAnswer:
        """Exchange a code, a refresh token or a device code for tokens (RFC 6749, section 4.1.3).

        Raises:
            GrantRefused: it is not exchanged.
        """
        if request.method != "POST" or request.repeated:
            raise GrantRefused("invalid_request", "a form without repeated parameters, by POST")
        if request.authorization or request.text("client_id") != self._provider.client_id:
            raise GrantRefused("invalid_client", "a public client's client_id, and no secret")
        grant = self._grant_of(request)
        return _json(self._tokens(grant, is_first=request.text("grant_type") != "refresh_token"))

    def _grant_of(self, request: ProviderRequest) -> Grant:
        kind, client_id = request.text("grant_type"), request.text("client_id")
        if kind == "refresh_token":
            return self._grants.take_refresh_token(request.text("refresh_token"), client_id)
        if kind == DEVICE_GRANT:
            return self._grants.take_device(request.text("device_code"), client_id)
        digest = hashlib.sha256(request.text("code_verifier").encode()).digest()
        code, redirect_uri = request.text("code"), request.text("redirect_uri")
        return self._grants.take_code(code, client_id, redirect_uri, base64url(digest))

    def _tokens(self, grant: Grant, *, is_first: bool) -> dict[str, Any]:
        access_token = self._grants.access_token(grant)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        id_token = self._provider.issue(
            grant.subject,
            audience=grant.client_id,
            lifetime=TOKEN_SECONDS,
            auth_time=int(grant.signed_in_at),
            nonce=grant.nonce or None if is_first else None,
            at_hash=base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            **PEOPLE[grant.subject].claims,
        )
        document = {"id_token": id_token, "access_token": access_token, "token_type": "Bearer"}
        if is_first and "offline_access" in grant.scope:
            self._grants.rotate(grant)
        if grant.refresh_token:
            document["refresh_token"] = grant.refresh_token
        return {**document, "expires_in": TOKEN_SECONDS, "scope": " ".join(grant.scope)}

    def device_authorization(self, request: ProviderRequest) -> HttpAnswer:
        """Return the codes for a device without a browser (RFC 8628, section 3.2)."""
        if request.method != "POST" or request.text("client_id") != self._provider.client_id:
            return _json({"error": "invalid_client"}, 401, "invalid_client")
        scope = tuple(word for word in request.text("scope").split() if word in SCOPES)
        code, device = self._grants.ask_device(request.text("client_id"), scope)
        uri = f"{self._provider.issuer}/device"
        return _json(
            {
                "device_code": code,
                "user_code": device.user_code,
                "verification_uri": uri,
                "verification_uri_complete": f"{uri}?user_code={device.user_code}",
                "expires_in": DEVICE_SECONDS,
                "interval": int(device.interval),
            }
        )

    def device(self, request: ProviderRequest) -> HttpAnswer:
        """Ask for the code that a device shows, then who signs in there (RFC 8628, section 3.3)."""
        if refusal := self._refusal_of_page(request):
            return refusal
        title, action = "Sign in on a device", f"{self._provider.issuer}/device"
        device = self._grants.waiting_device(request.text("user_code"))
        if device is None:
            return people.page(title, people.code_form(action, request.text("user_code")))
        browser = self._browser_of(request) or secrets.token_urlsafe(16)
        if request.method != "POST":
            hidden = {"user_code": device.user_code, "browser": browser}
            form = f"<p>The code is {device.user_code}.</p>\n" + people.choice(action, hidden, device.client_id)
            return people.page(title, form, 200, *self._cookie(browser))
        if not secrets.compare_digest(request.text("browser").encode(), self._browser_of(request).encode()):
            return people.said("This page is out of date", "Enter the code again.", 400)
        subject = request.text("person")
        if subject not in PEOPLE:
            device.is_refused = True
            return people.said("Refused", "The device is not signed in. You can close this page.")
        device.grant = self._grants.open(subject, device.client_id, device.scope)
        return people.said("You are signed in", f"The device is signed in as {PEOPLE[subject].name}.")

    def revoke(self, request: ProviderRequest) -> HttpAnswer:
        """Revoke a token (RFC 7009)."""
        if request.method != "POST" or request.text("client_id") != self._provider.client_id:
            return _json({"error": "invalid_client"}, 401, "invalid_client")
        self._grants.revoke(request.text("token"))
        return HttpAnswer(200, JSON, b"")

    def userinfo(self, request: ProviderRequest) -> HttpAnswer:
        """Return the claims about the person of an access token (OpenID Connect Core, section 5.3)."""
        scheme, _, token = request.authorization.partition(" ")
        grant = self._grants.of_access_token(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            challenge = ("WWW-Authenticate", 'Bearer error="invalid_token"')
            return HttpAnswer(401, (*JSON, challenge), b'{"error": "invalid_token"}', "invalid_token")
        return _json({"sub": grant.subject, **PEOPLE[grant.subject].claims})

    def logout(self, request: ProviderRequest) -> HttpAnswer:
        """End the session in a browser; tokens for use without a browser stay valid (``offline_access``)."""
        if refusal := self._refusal_of_page(request):
            return refusal
        self._signed_in.pop(self._browser_of(request), None)
        target, state = request.text("post_logout_redirect_uri"), request.text("state")
        if target and _LOOPBACK.fullmatch(target):
            separator = "&" if "?" in target else "?"
            target += f"{separator}{urlencode({'state': state})}" if state else ""
            return HttpAnswer(303, (("Location", target), ("Cache-Control", "no-store")), b"")
        return people.said("You are signed out", "No user is signed in to the demo in this browser any more.")

    def _refusal_of_page(self, request: ProviderRequest) -> HttpAnswer | None:
        """Refuse a page to a browser that was led here by another name (DNS rebinding)."""
        if request.host == urlsplit(self._provider.issuer).netloc:
            return None
        return people.said("Not this address", f"This page is at {self._provider.issuer}.", 421)

    def _cookie_name(self) -> str:
        # Cookies do not tell ports apart, and several providers run on this machine.
        return f"demo-{urlsplit(self._provider.issuer).port}"

    def _cookie(self, browser: str) -> tuple[tuple[str, str], ...]:
        return (("Set-Cookie", f"{self._cookie_name()}={browser}; Path=/; HttpOnly; SameSite=Lax"),)

    def _browser_of(self, request: ProviderRequest) -> str:
        try:
            found = SimpleCookie(request.cookie).get(self._cookie_name())
        except CookieError:
            return ""
        return found.value if found is not None else ""


def _flaw(request: ProviderRequest, scope: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the error of an authorization request, and its description; None if it has none."""
    if request.repeated:
        return "invalid_request", "a parameter is repeated"
    if request.text("response_type") != "code":
        return "unsupported_response_type", "only code"
    if request.text("response_mode") not in ("", "query"):
        return "invalid_request", "response_mode is query"
    if "openid" not in scope:
        return "invalid_scope", "openid is missing"
    if request.text("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(request.text("code_challenge")):
        return "invalid_request", "PKCE with S256 is required"
    return None


def _json(document: Mapping[str, Any], status: int = 200, code: str = "") -> HttpAnswer:
    shown = {name: value for name, value in document.items() if value not in ("", None)}
    return HttpAnswer(status, JSON, json.dumps(shown).encode(), code)


def read_parameters(content_type: str, text: str) -> tuple[dict[str, Any], bool]:
    """Return the parameters of a query, form or JSON body, and whether one of them came twice."""
    if content_type != "application/json":
        pairs = parse_qsl(text, keep_blank_values=True)
        return dict(pairs), len({name for name, _ in pairs}) < len(pairs)
    try:
        members = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}, False
    return (members if isinstance(members, dict) else {}), False
