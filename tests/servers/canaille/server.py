"""Run by Canaille's own interpreter: one public client, and one user who is signed in and has agreed.

Arguments: the port, and the port of the client's redirect. The issuer is given its literal address: pytest-iam's own
fixture names localhost, which nobody may be sent tokens to over http.
"""

from __future__ import annotations

import os
import sys
import uuid

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import JWKRegistry
from pytest_iam import Server


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
    server = Server(app, port, Backend.instance)
    with app.app_context():
        native = client("native", f"http://127.0.0.1:{redirect_port}/callback")
        api = client("api", "http://127.0.0.1:1/none")
        Backend.instance.update(native, audience=[api, native])
        Backend.instance.save(native)
        user = server.random_user(user_name="ada", formatted_name="Ada", emails=["ada@example.com"])
        server.consent(user)
    server.login(user)
    server.httpd.serve_forever()


def client(name: str, redirect_uri: str) -> models.Client:
    made = models.Client(
        client_id=name,
        client_name=name,
        client_uri="http://127.0.0.1",
        redirect_uris=[redirect_uri],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        scope=["openid", "profile", "email", "offline_access"],
    )
    Backend.instance.save(made)
    return made


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
