"""Run by Canaille's own interpreter: one public client, and one user who is signed in and has agreed.

Arguments: the port, and the port of the client's redirect. The issuer is its literal address: http is allowed only for
loopback addresses, and "localhost", pytest-iam's default, is a name.
"""

from __future__ import annotations

import datetime
import os
import sys
import uuid
import wsgiref.simple_server
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from canaille import create_app
from canaille.app import models
from canaille.app.session import UserSession
from canaille.backends import Backend
from flask import g
from joserfc.jwk import JWKRegistry


def main(port: int, redirect_port: int) -> None:
    key = JWKRegistry.generate_key("RSA", 2048)
    key.ensure_kid()
    app = create_app(
        config={
            "TESTING": True,
            "ENV_FILE": None,
            "SECRET_KEY": str(uuid.uuid4()),
            "WTF_CSRF_ENABLED": False,
            "PREFERRED_URL_SCHEME": "http",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "CANAILLE": {
                "DATABASE": "memory",
                "JAVASCRIPT": False,
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
            },
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
        }
    )
    with app.app_context():
        native = client("native", f"http://127.0.0.1:{redirect_port}/callback")
        api = client("api", "http://127.0.0.1:1/none")
        native.audience = [api, native]
        saved(native)
        ada = saved(models.User(user_name="ada", formatted_name="Ada", family_name="Ada", emails=["ada@example.com"]))
        agreed = {"consent_id": "1", "client": native, "subject": ada, "scope": native.scope, "issue_date": now()}
        saved(models.Consent(**agreed))

    @app.before_request
    def signed_in() -> None:
        g.session = UserSession(user=ada, last_login_datetime=now())

    wsgiref.simple_server.make_server("127.0.0.1", port, app).serve_forever()


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def client(name: str, redirect_uri: str) -> Any:
    return saved(
        models.Client(
            client_id=name,
            client_name=name,
            client_uri="http://127.0.0.1",
            redirect_uris=[redirect_uri],
            token_endpoint_auth_method="none",
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            scope=["openid", "profile", "email", "offline_access"],
        )
    )


def saved(model: Any) -> Any:
    Backend.instance.save(model)
    return model


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
