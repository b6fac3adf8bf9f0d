"""An OpenID provider at its own addresses, with the application that the table of a page describes.

It is the demo's provider behind rules for applications. The application is registered with the values of the page's own
table, as a person would type them into the provider's console.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from botocore_cognito_federation.demo import people
from botocore_cognito_federation.demo.authorization_server import ProviderRequest, read_parameters
from botocore_cognito_federation.demo.clock import WorldClock
from botocore_cognito_federation.demo.journal import FaultBook, Journal
from botocore_cognito_federation.demo.provider import OpenIdProvider
from botocore_cognito_federation.demo.wire import HttpAnswer, json_document

STANDARD_SCOPES = ("openid", "email", "profile")
#: The names of grants in the consoles.
_GRANTS = {"authorization_code": "Authorization Code", "refresh_token": "Refresh Token"}


class Refused(Exception):
    """The provider refuses a request: its OAuth error, and its own words."""


class StandIn(OpenIdProvider):
    """One provider. It serves the requests that a world hands to `serve`.

    Args:
        fields: the table of the page: the values by the fields of the provider's console.
        client_id: the ID that the application has got.

    Attributes:
        printed: the redirect URIs that commands have printed so far; a person enters them where the page says so.
        refused: what was refused, in words.
        on_refusal: called after each refusal.
    """

    #: Its issuer, and the address of each endpoint.
    own_issuer: ClassVar[str]
    addresses: ClassVar[Mapping[str, str]]
    #: Members of the discovery document besides the usual ones.
    document: ClassVar[Mapping[str, Any]] = {}
    scopes: ClassVar[tuple[str, ...]] = (*STANDARD_SCOPES, "offline_access")
    #: The fields of its console: for redirect URIs, and for those that the application needs a certain value in.
    redirects: ClassVar[str] = ""
    needed: ClassVar[Mapping[str, str]] = {}
    #: The fields for grants, and for the algorithm of ID tokens.
    grants: ClassVar[str] = ""
    algorithms: ClassVar[str] = ""

    def __init__(self, fields: Mapping[str, str], client_id: str) -> None:
        super().__init__(WorldClock(), Journal(), FaultBook(), client_id=client_id, path="")
        self.rotate_keys()
        self.issuer = self.own_issuer
        self.printed: set[str] = set()
        self.refused: list[str] = []
        self.on_refusal: Callable[[], object] = lambda: None
        self.fields = fields
        known = {self.redirects, self.grants, self.algorithms, *self.needed} - {""}
        assert fields.keys() == known, f"the console has the fields {sorted(known)}, the page {sorted(fields)}"

    @property
    def hosts(self) -> set[str]:
        return {urlsplit(address).netloc for address in (self.own_issuer, *self.addresses.values())}

    @property
    def registered(self) -> set[str]:
        """Return the redirect URIs of the application."""
        value = self.fields.get(self.redirects, "")
        return self.printed if "two URIs that `pool create` prints" in value else set(re.findall(r"`([^`]+)`", value))

    def chosen(self, field: str) -> list[str]:
        """Return what the page says to choose in a field."""
        return re.findall(r"\*\*(.+?)\*\*", self.fields[field])

    def allows(self, grant: str) -> bool:
        """Return whether the application may use a grant."""
        return grant in _GRANTS and (not self.grants or _GRANTS[grant] in self.chosen(self.grants))

    # What differs between providers.

    def takes(self, redirect_uri: str) -> bool:
        """Return whether the redirect URI is one of the application; most compare letter by letter."""
        return redirect_uri in self.registered

    def check_person(self, asked: Mapping[str, str]) -> None:
        """Refuse an authorization request that this provider refuses, and others do not."""

    def check_client(self, secret: str) -> None:
        """Refuse a request to the token endpoint by the secret that it has, or has not: a public client has none."""
        if secret:
            raise Refused("invalid_client", "the application is a public one, and has no secret")

    def issues_refresh_token(self, asked: Mapping[str, str]) -> bool:
        """Return whether a sign-in brings a refresh token."""
        return "offline_access" in asked.get("scope", "").split()

    def claims(self, subject: str) -> dict[str, Any]:
        """Return claims of ID tokens that only this provider has, or has in another way."""
        return {}

    # What all do.

    def issue(self, subject: str = "ada", **options: Any) -> str:
        """Return an ID token with this provider's claims, signed with the algorithm of the application."""
        if self.algorithms and self.chosen(self.algorithms) != ["RS256"]:
            options["flaw"] = "hs256"
        return super().issue(subject, **{**options, **self.claims(subject)})

    def serve(self, environ: Mapping[str, Any]) -> HttpAnswer | None:
        """Return the answer to a request of WSGI; None if this provider has no such page."""
        url = f"https://{environ['HTTP_HOST']}{environ['PATH_INFO']}"
        pages = {address: name for name, address in self.addresses.items()}
        pages[f"{self.issuer.removesuffix('/')}/.well-known/openid-configuration"] = "discovery"
        if url not in pages:
            return None
        text, kind = str(environ.get("QUERY_STRING", "")), ""
        if environ["REQUEST_METHOD"] == "POST":
            text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
            kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0]
        try:
            return self._answer_to(pages[url], environ, *read_parameters(kind, text))
        except Refused as refusal:
            return self._refusal(pages[url], *refusal.args)

    def _answer_to(
        self, name: str, environ: Mapping[str, Any], given: dict[str, Any], repeated: bool
    ) -> HttpAnswer | None:
        if name == "discovery":
            return json_document(self._document())
        method = str(environ["REQUEST_METHOD"])
        if name == "authorize" and method == "GET":
            self._check_authorization(given)
            kept = [one for one in given.get("scope", "").split() if one != "offline_access"]
            keeps = self.issues_refresh_token(given) and self.allows("refresh_token")
            given["scope"] = " ".join([*kept, *(["offline_access"] if keeps else [])])
        elif name == "token":
            given |= _basic(str(environ.get("HTTP_AUTHORIZATION", "")))
            self._check_token(given)
        request = ProviderRequest(
            method,
            f"/{name}",
            {key: value for key, value in given.items() if key != "client_secret"},
            repeated,
            host=urlsplit(self.issuer).netloc,
            cookie=str(environ.get("HTTP_COOKIE", "")),
        )
        answer = self.answer(request)
        if answer is not None and answer.status >= 400 and given.get("code") != "none":  # "none" asks for the client
            self._note(f"{name}: {answer.status} {answer.code} {answer.body.decode()[-300:]}")
        return self._as_own(answer) if answer is not None else None

    def _document(self) -> dict[str, Any]:
        names = {
            "authorize": "authorization_endpoint",
            "token": "token_endpoint",
            "jwks": "jwks_uri",
            "revoke": "revocation_endpoint",
        }
        return {
            "issuer": self.issuer,
            **{member: self.addresses[name] for name, member in names.items() if name in self.addresses},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": list(self.scopes),
            **self.document,
        }

    def _check_authorization(self, asked: Mapping[str, str]) -> None:
        for field, value in self.needed.items():
            if value and value not in self.chosen(field):
                raise Refused("unauthorized_client", f"{field} is {self.fields[field]}, not {value}")
        if asked.get("client_id") != self.client_id:
            raise Refused("unauthorized_client", f"no application {asked.get('client_id')}")
        if not self.takes(asked.get("redirect_uri", "")):
            raise Refused("invalid_request", f"{asked.get('redirect_uri')} is not among {self.registered}")
        if not self.allows("authorization_code"):
            raise Refused("unauthorized_client", "the grant authorization_code is not allowed")
        if asked.get("code_challenge_method") != "S256":
            raise Refused("invalid_request", "PKCE is required of public applications")
        for scope in asked.get("scope", "").split():
            if scope not in self.scopes:
                raise Refused("invalid_scope", f"{scope} is no scope for this application")
        self.check_person(asked)

    def _check_token(self, form: Mapping[str, str]) -> None:
        if form.get("client_id") != self.client_id:
            raise Refused("invalid_client", f"no application {form.get('client_id')}")
        grant = form.get("grant_type", "")
        if not self.allows(grant):
            raise Refused("unauthorized_client", f"the grant {grant} is not allowed")
        if form.get("code") != "none":
            self.check_client(form.get("client_secret", ""))

    def _refusal(self, name: str, error: str, words: str) -> HttpAnswer:
        self._note(f"{name}: {error}: {words}")
        if name == "authorize":
            return people.said(error, words, 400)
        body = json.dumps({"error": error, "error_description": words}).encode()
        return HttpAnswer(400, (("Content-Type", "application/json"),), body, error)

    def _note(self, words: str) -> None:
        self.refused.append(words)
        self.on_refusal()

    def _as_own(self, answer: HttpAnswer) -> HttpAnswer:
        """Return an answer of the demo's provider as one of this provider."""
        body = answer.body.replace(f"{self.issuer}/authorize".encode(), self.addresses["authorize"].encode())
        headers = []
        for name, value in answer.headers:
            before, mark, query = value.partition("?")
            if name == "Location" and not self.document.get("authorization_response_iss_parameter_supported"):
                value = before + mark + urlencode([pair for pair in parse_qsl(query) if pair[0] != "iss"])
            headers.append((name, value))
        return HttpAnswer(answer.status, tuple(headers), body, answer.code)


def _basic(authorization: str) -> dict[str, str]:
    """Return what a client says of itself in a header (RFC 6749, section 2.3.1)."""
    scheme, _, text = authorization.partition(" ")
    if scheme != "Basic":
        return {}
    name, _, secret = base64.b64decode(text).decode().partition(":")
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}
