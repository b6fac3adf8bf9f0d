"""User pools on ministack, with the triggers and second factors that the live tests need."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import struct
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore_cognito_federation.user_pool import UserPool
from tests.servers.ministack import Ministack

PASSWORD = "Correct-Horse-1"

# One function for every trigger: it records its events, and acts for a pool that asks 7 * 6.
_TRIGGERS = """
import json

JOURNAL = {journal!r}

def handler(event, context):
    with open(JOURNAL, "a") as journal:
        journal.write(json.dumps(event) + "\\n")
    source, request, response = event["triggerSource"], event["request"], event["response"]
    if source.startswith("PreSignUp"):
        if request["userAttributes"].get("email", "").endswith("@refused.example"):
            raise Exception("this domain may not sign up")
        response["autoConfirmUser"] = request["userAttributes"].get("email", "").endswith("@confirmed.example")
    if source.startswith("DefineAuthChallenge"):
        session = request["session"]
        last = session[-1] if session else None
        response["issueTokens"] = response["failAuthentication"] = False
        if last and last["challengeName"] == "SRP_A":
            response["challengeName"] = "PASSWORD_VERIFIER"
        elif last and last["challengeName"] == "CUSTOM_CHALLENGE" and last["challengeResult"]:
            response["issueTokens"] = True
        elif last and last["challengeName"] == "CUSTOM_CHALLENGE":
            response["failAuthentication"] = True
        else:
            response["challengeName"] = "CUSTOM_CHALLENGE"
    if source.startswith("CreateAuthChallenge"):
        response["publicChallengeParameters"] = {{"question": "7*6"}}
        response["privateChallengeParameters"] = {{"answer": "42"}}
    if source.startswith("VerifyAuthChallenge"):
        response["answerCorrect"] = request["challengeAnswer"] == "42"
    return event
"""


@dataclass(frozen=True)
class LivePool:
    """A pool with one app client, and an administrator's client for it."""

    admin: Any
    endpoint_url: str
    pool_id: str
    client_id: str
    client_secret: str | None
    journal: Path | None = None

    def user_pool(self, **options: Any) -> UserPool:
        options = {"client_secret": self.client_secret, "endpoint_url": self.endpoint_url, **options}
        return UserPool(self.pool_id, self.client_id, **options)

    def add_user(self, name: str = "ada", password: str = PASSWORD, *, permanent: bool = True) -> str:
        """Create a user; return the user's sub."""
        self.admin.admin_create_user(
            UserPoolId=self.pool_id,
            Username=name,
            TemporaryPassword=password,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": f"{name}@example.com"}],
        )
        if permanent:
            self.admin.admin_set_user_password(
                UserPoolId=self.pool_id, Username=name, Password=password, Permanent=True
            )
        user = self.admin.admin_get_user(UserPoolId=self.pool_id, Username=name)
        return str(next(a["Value"] for a in user["UserAttributes"] if a["Name"] == "sub"))

    def require_totp(self, access_token: str) -> str:
        """Enrol the user with an authenticator application; return its secret."""
        secret = str(self.admin.associate_software_token(AccessToken=access_token)["SecretCode"])
        self.admin.verify_software_token(AccessToken=access_token, UserCode=totp(secret))
        self.admin.set_user_pool_mfa_config(
            UserPoolId=self.pool_id, SoftwareTokenMfaConfiguration={"Enabled": True}, MfaConfiguration="OPTIONAL"
        )
        return secret

    def events(self, source: str) -> list[dict[str, Any]]:
        """Return the events of the triggers, by the beginning of triggerSource."""
        assert self.journal
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [event for event in map(json.loads, lines) if event["triggerSource"].startswith(source)]


def make(
    server: Ministack,
    *,
    secret: bool = False,
    journal: Path | None = None,
    flows: tuple[str, ...] = ("USER_SRP_AUTH", "USER_PASSWORD_AUTH", "CUSTOM_AUTH", "REFRESH_TOKEN_AUTH"),
    **pool_options: Any,
) -> LivePool:
    """Create a pool for one test."""
    admin = server.client("cognito-idp")
    if journal is not None:
        pool_options["LambdaConfig"] = dict.fromkeys(
            (
                "PreSignUp",
                "DefineAuthChallenge",
                "CreateAuthChallenge",
                "VerifyAuthChallengeResponse",
                "PreTokenGeneration",
            ),
            _function(server, journal),
        )
    pool = admin.create_user_pool(PoolName="live", **pool_options)["UserPool"]["Id"]
    client = admin.create_user_pool_client(
        UserPoolId=pool,
        ClientName="live",
        GenerateSecret=secret,
        ExplicitAuthFlows=[f"ALLOW_{flow}" for flow in flows],
        PreventUserExistenceErrors="ENABLED",
    )["UserPoolClient"]
    return LivePool(admin, server.endpoint_url, pool, client["ClientId"], client.get("ClientSecret"), journal)


def identity_pool(server: Ministack, live: LivePool) -> str:
    """Create an identity pool that accepts the user pool's tokens, for a role that may use S3; return its ID."""
    identity = server.client("cognito-identity")
    name = f"cognito-idp.{live.pool_id.split('_')[0]}.amazonaws.com/{live.pool_id}"
    made = identity.create_identity_pool(
        IdentityPoolName="federation",
        AllowUnauthenticatedIdentities=False,
        CognitoIdentityProviders=[{"ProviderName": name, "ClientId": live.client_id}],
    )
    trusted = {"Federated": "cognito-identity.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRoleWithWebIdentity"}
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam, role = server.client("iam"), f"r{live.client_id}"
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=role, PolicyName="s3", PolicyDocument=_policy(allowed))
    identity.set_identity_pool_roles(IdentityPoolId=made["IdentityPoolId"], Roles={"authenticated": arn})
    return str(made["IdentityPoolId"])


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _function(server: Ministack, journal: Path) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("triggers.py", _TRIGGERS.format(journal=str(journal)))
    name = "triggers-" + hashlib.sha256(str(journal).encode()).hexdigest()[:12]
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    role = server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    made = server.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="triggers.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    return str(made["FunctionArn"])


def totp(secret: str) -> str:
    """Return the code that an authenticator application shows now (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    mac = hmac.digest(base64.b32decode(secret), counter, "sha1")
    offset = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"
