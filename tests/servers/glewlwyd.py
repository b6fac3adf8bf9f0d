"""glewlwyd, Debian's OpenID server in C: a correct provider that differs from the certified one.

Its device endpoint really answers `slow_down`. A refresh token is valid for one use; a second use is answered with 400
and an empty body, and also ends the token that replaced it. A refresh returns no ID token. `sub` is opaque. Redirects
are compared with their port. The issuer has a path, and the endpoints a double slash.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .processes import free_port, serving
from .tool_cache import lacking

INTERVAL = 2
SECRET = "s3cret-of-the-confidential-client"
# From Debian's package. The copy in its documentation is missing in images without documentation.
_SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_MODULES = Path("/usr/lib/glewlwyd")
_TIMEOUT = 30


@dataclass(frozen=True)
class Glewlwyd:
    """A running server, with the user "ada" and two clients: "native", which is public, and "confidential"."""

    origin: str
    redirect_port: int

    @property
    def issuer(self) -> str:
        return f"{self.origin}/api/oidc"

    @property
    def redirect_uri(self) -> str:
        """The only redirect URI of its clients."""
        return f"http://127.0.0.1:{self.redirect_port}/callback"

    def browser(self) -> GlewlwydBrowser:
        """A browser in which ada is signed in."""
        return GlewlwydBrowser(self.origin, _signed_in(self.origin, "ada"))


@dataclass
class GlewlwydBrowser:
    """Do what glewlwyd's sign-in page, an application in JavaScript, does for a signed-in user who agrees."""

    origin: str
    session: requests.Session
    visited: list[str] = field(default_factory=list)

    def open(self, url: str) -> requests.Response:
        """Open `url` and follow it, granting every request, until the end."""
        for _ in range(10):
            assert urlsplit(url).hostname == "127.0.0.1", url
            self.visited.append(url)
            answer = self.session.get(url, allow_redirects=False, timeout=90)
            if not answer.is_redirect:
                return answer
            url = urljoin(url, answer.headers["location"])
            if urlsplit(url).path.endswith("/login.html"):
                asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
                if "client_id" not in asked:
                    return answer  # a final message on its own page, such as prompt=deviceComplete
                url = self._granted(asked)
        raise AssertionError(f"no end after {self.visited}")

    def _granted(self, asked: dict[str, str]) -> str:
        grant = f"{self.origin}/api/auth/grant/{asked['client_id']}"
        self.session.put(grant, json={"scope": asked["scope"]}, timeout=_TIMEOUT).raise_for_status()
        return f"{asked['callback_url']}&g_continue"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Glewlwyd]:
    """Start a glewlwyd with its database in the folder; end it afterwards."""
    program = shutil.which("glewlwyd")
    if program is None or not _SCHEMA.exists():
        lacking("glewlwyd is not installed (Debian's package glewlwyd)")
    server = Glewlwyd(f"http://127.0.0.1:{free_port()}", free_port())
    port = urlsplit(server.origin).port
    assert port is not None
    database = folder / "glewlwyd.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(_SCHEMA.read_text())
    configuration = folder / "glewlwyd.conf"
    configuration.write_text(_configuration(server.origin, port, database))
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder)}
    with serving([program, "-c", str(configuration)], port, folder / "glewlwyd.log", env=env, cwd=folder):
        _set_up(server)
        yield server


def _configuration(origin: str, port: int, database: Path) -> str:
    # Administrators write a slash after the origin, which leads to the double slash.
    return f"""
        port = {port}
        bind_address = "127.0.0.1"
        external_url = "{origin}/"
        login_url = "login.html"
        api_prefix = "api"
        log_mode = "console"
        log_level = "WARNING"
        cookie_domain = "127.0.0.1"
        cookie_secure = 0
        admin_scope = "g_admin"
        profile_scope = "g_profile"
        user_module_path = "{_MODULES}/user"
        client_module_path = "{_MODULES}/client"
        user_auth_scheme_module_path = "{_MODULES}/scheme"
        plugin_module_path = "{_MODULES}/plugin"
        hash_algorithm = "SHA512"
        database = {{ type = "sqlite3" path = "{database}" }};
    """


def _set_up(server: Glewlwyd) -> None:
    admin = _signed_in(server.origin, "admin")

    def add(what: str, **members: Any) -> None:
        answer = admin.post(f"{server.origin}/api/{what}/", json={**members, "enabled": True}, timeout=_TIMEOUT)
        assert answer.status_code == 200, (what, answer.status_code, answer.text)

    add("mod/plugin", module="oidc", name="oidc", display_name="OpenID Connect", parameters=_plugin(server.issuer))
    add("user", username="ada", password="password", name="Ada", email="ada@example.com", scope=["g_profile", "openid"])
    kinds = {
        "native": {"confidential": False, "token_endpoint_auth_method": ["none"]},
        "confidential": {
            "confidential": True,
            "password": SECRET,
            "token_endpoint_auth_method": ["client_secret_basic"],
        },
    }
    # client_credentials allows a client to revoke its own tokens after it has authenticated.
    grants = ["code", "refresh_token", "device_authorization", "client_credentials"]
    for name, kind in kinds.items():
        add("client", client_id=name, name=name, redirect_uri=[server.redirect_uri], authorization_type=grants, **kind)


def _signed_in(origin: str, user: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    answer = session.post(f"{origin}/api/auth/", json={"username": user, "password": "password"}, timeout=_TIMEOUT)
    assert answer.status_code == 200, (user, answer.status_code, answer.text)
    return session


def _plugin(issuer: str) -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "iss": issuer,
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": private.decode(),
        "cert": public.decode(),
        "jwks-show": True,
        "access-token-duration": 3600,
        "refresh-token-duration": 1209600,
        "code-duration": 600,
        "refresh-token-rolling": True,
        "refresh-token-one-use": "always",
        "allow-non-oidc": False,
        "auth-type-code-enabled": True,
        "auth-type-token-enabled": False,
        "auth-type-id-token-enabled": True,
        "auth-type-none-enabled": False,
        "auth-type-password-enabled": False,
        "auth-type-client-enabled": False,
        "auth-type-refresh-enabled": True,
        "auth-type-device-enabled": True,
        "device-authorization-expiration": 600,
        "device-authorization-interval": INTERVAL,
        "pkce-allowed": True,
        "pkce-method-plain-allowed": False,
        "pkce-required": True,
        "oauth-as-iss-id": True,
        "introspection-revocation-allowed": True,
        "introspection-revocation-allow-target-client": True,
        "request-parameter-allow": False,
        "secret-type": "public",
        "name-claim": "mandatory",
        "email-claim": "mandatory",
    }
