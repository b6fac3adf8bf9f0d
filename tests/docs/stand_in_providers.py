"""The providers that have a page, each with what it does in its own way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from botocore_cognito_federation.demo.wire import HttpAnswer, json_document
from botocore_cognito_federation.demo.world import World

from .stand_in import STANDARD_SCOPES, Refused, StandIn

SECRET = "GOCSPX-of-the-stand-in"


class Auth0(StandIn):
    """The issuer ends in a slash; redirect URIs are compared letter by letter."""

    own_issuer = "https://corp.eu.auth0.com/"
    addresses: ClassVar = {
        "authorize": "https://corp.eu.auth0.com/authorize",
        "token": "https://corp.eu.auth0.com/oauth/token",
        "jwks": "https://corp.eu.auth0.com/.well-known/jwks.json",
        "revoke": "https://corp.eu.auth0.com/oauth/revoke",
    }
    document: ClassVar = {
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
        "code_challenge_methods_supported": ["S256", "plain"],
    }
    redirects = "Settings → Allowed Callback URLs"
    grants = "Advanced Settings → Grant Types"
    algorithms = "Advanced Settings → OAuth → JSON Web Token Signature Algorithm"
    needed: ClassVar = {"Application type": "Native"}


class Okta(StandIn):
    """The org's own issuer, and PKCE is required of native applications."""

    own_issuer = "https://corp.okta.com"
    addresses: ClassVar = {
        "authorize": "https://corp.okta.com/oauth2/v1/authorize",
        "token": "https://corp.okta.com/oauth2/v1/token",
        "jwks": "https://corp.okta.com/oauth2/v1/keys",
        "revoke": "https://corp.okta.com/oauth2/v1/revoke",
    }
    document: ClassVar = {"code_challenge_methods_supported": ["S256"]}
    redirects = "Sign-in redirect URIs"
    grants = "Grant type"
    needed: ClassVar = {
        "Sign-in method": "OIDC - OpenID Connect",
        "Application type": "Native Application",
        "Client authentication": "None",
        "Assignments": "",
    }

    def claims(self, subject: str) -> dict[str, Any]:
        return {"ver": 1, "amr": ["pwd", "mfa", "otp"], "idp": "00o1example"}


class OktaCustomServer(Okta):
    """A custom authorization server: the issuer has a path, which all its addresses begin with."""

    own_issuer = "https://corp.okta.com/oauth2/default"
    addresses: ClassVar = {
        name: address.replace("/oauth2/", "/oauth2/default/") for name, address in Okta.addresses.items()
    }


class Entra(StandIn):
    """``http://localhost`` stands for any of its ports; users may not consent; too many groups are not in the token."""

    _TENANT = "https://login.microsoftonline.com/99999999-8888-7777-6666-555555555555"
    own_issuer = f"{_TENANT}/v2.0"
    addresses: ClassVar = {
        "authorize": f"{_TENANT}/oauth2/v2.0/authorize",
        "token": f"{_TENANT}/oauth2/v2.0/token",
        "jwks": f"{_TENANT}/discovery/v2.0/keys",
    }
    redirects = "Redirect URI"
    needed: ClassVar = {
        "Redirect URI, platform": "Public client/native (mobile & desktop)",
        "Authentication → Allow public client flows": "",
    }

    def takes(self, redirect_uri: str) -> bool:
        # Microsoft identity platform, "Redirect URI (reply URL) best practices": the port of localhost is ignored.
        found = re.sub(r"\A(http://localhost):\d+", r"\1", redirect_uri)
        return found in self.registered

    def check_person(self, asked: Mapping[str, str]) -> None:
        if "consent" in asked.get("prompt", ""):
            raise Refused("access_denied", "AADSTS90094: The grant requires admin permission.")

    def check_client(self, secret: str) -> None:
        super().check_client(secret)
        if self.chosen("Authentication → Allow public client flows") != ["Yes"]:
            words = "AADSTS7000218: The request body must contain: 'client_assertion' or 'client_secret'."
            raise Refused("invalid_client", words)

    def claims(self, subject: str) -> dict[str, Any]:
        source = {"endpoint": "https://graph.windows.net/99999999/users/0/getMemberObjects"}
        overage = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": source}}
        return {"groups": None, **overage, "tid": self._TENANT.rpartition("/")[2], "oid": "0", "ver": "2.0"}


class Keycloak(StandIn):
    """The issuer is a realm's; every sign-in brings a refresh token; answers name the issuer (RFC 9207)."""

    own_issuer = "https://keycloak.example.com/realms/corp"
    _PROTOCOL = f"{own_issuer}/protocol/openid-connect"
    addresses: ClassVar = {
        "authorize": f"{_PROTOCOL}/auth",
        "token": f"{_PROTOCOL}/token",
        "jwks": f"{_PROTOCOL}/certs",
        "revoke": f"{_PROTOCOL}/revoke",
    }
    document: ClassVar = {
        "authorization_response_iss_parameter_supported": True,
        "code_challenge_methods_supported": ["plain", "S256"],
    }
    redirects = "Valid redirect URIs"
    algorithms = "Realm settings → Tokens → Default Signature Algorithm"
    needed: ClassVar = {
        "Client type": "OpenID Connect",
        "Client authentication": "Off",
        "Authentication flow": "Standard flow",
        "Advanced → Proof Key for Code Exchange Code Challenge Method": "S256",
    }

    def takes(self, redirect_uri: str) -> bool:
        patterns = [one for one in self.registered if one.endswith("*")]
        return redirect_uri in self.registered or any(redirect_uri.startswith(one[:-1]) for one in patterns)

    def issues_refresh_token(self, asked: Mapping[str, str]) -> bool:
        return True

    def claims(self, subject: str) -> dict[str, Any]:
        return {"typ": "ID", "azp": self.client_id, "acr": "1"}


class Google(StandIn):
    """Any port of loopback, a secret that is none, and a refresh token by ``access_type=offline``."""

    own_issuer = "https://accounts.google.com"
    addresses: ClassVar = {
        "authorize": "https://accounts.google.com/o/oauth2/v2/auth",
        "token": "https://oauth2.googleapis.com/token",
        "jwks": "https://www.googleapis.com/oauth2/v3/certs",
        "revoke": "https://oauth2.googleapis.com/revoke",
    }
    scopes = STANDARD_SCOPES
    document: ClassVar = {
        "code_challenge_methods_supported": ["plain", "S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    }
    needed: ClassVar = {"Application type": "Desktop app"}

    def takes(self, redirect_uri: str) -> bool:
        return re.match(r"http://(127\.0\.0\.1|localhost):\d+(/|\Z)", redirect_uri) is not None

    def check_client(self, secret: str) -> None:
        if secret != SECRET:
            raise Refused("invalid_request", "client_secret is missing.")

    def issues_refresh_token(self, asked: Mapping[str, str]) -> bool:
        return asked.get("access_type") == "offline"

    def claims(self, subject: str) -> dict[str, Any]:
        return {"azp": self.client_id, "hd": "example.com", "email_verified": True}


class HostedPages(StandIn):
    """The pages of a user pool, at a domain of their own; the pool publishes the keys.

    Args:
        world: has the pool, whose users sign in by password there.
    """

    _DOMAIN = "https://corp.auth.eu-west-1.amazoncognito.com"
    own_issuer = "https://cognito-idp.eu-west-1.amazonaws.com"
    addresses: ClassVar = {
        "authorize": f"{_DOMAIN}/oauth2/authorize",
        "token": f"{_DOMAIN}/oauth2/token",
        "revoke": f"{_DOMAIN}/oauth2/revoke",
    }
    scopes = ("openid", "email", "phone", "profile")
    redirects = "Allowed callback URLs"
    needed: ClassVar = {
        "Application type": "Mobile app",
        "OAuth grant types": "Authorization code grant",
        "OpenID Connect scopes": "openid",
        "Authentication flows": "ALLOW_REFRESH_TOKEN_AUTH",
    }

    def __init__(self, fields: Mapping[str, str], client_id: str, world: World, pool_id: str, user: str) -> None:
        super().__init__(fields, client_id)
        self.issuer = f"{self.own_issuer}/{pool_id}"
        self.addresses = {**self.addresses, "jwks": f"{self.issuer}/.well-known/jwks.json"}  # type: ignore[misc]
        self._of_pool = world.user_pools.document
        self._user = user

    def check_person(self, asked: Mapping[str, str]) -> None:
        for scope in asked["scope"].split():
            if scope not in self.chosen("OpenID Connect scopes"):
                raise Refused("invalid_request", f"invalid_scope: {scope}")

    def issues_refresh_token(self, asked: Mapping[str, str]) -> bool:
        return True

    def claims(self, subject: str) -> dict[str, Any]:
        return {"sub": self._user, "token_use": "id", "cognito:username": subject}

    def serve(self, environ: Mapping[str, Any]) -> HttpAnswer | None:
        if environ["PATH_INFO"].endswith("/.well-known/jwks.json"):
            published = self._of_pool(environ["PATH_INFO"])
            return json_document({"keys": [*(published or {"keys": []})["keys"], self.current_key.jwk()]})
        return super().serve(environ)
