"""Answers and errors in their wire formats: AWS JSON 1.1, the query protocol's XML, S3's XML."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from .refusals import Refusal

if TYPE_CHECKING:
    from .sts import WebIdentitySession

STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class HttpAnswer:
    """A complete HTTP answer. The body may hold credentials."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    code: str = ""

    @property
    def status_line(self) -> str:
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Unknown"


def json_answer(members: Mapping[str, Any] | None, status: int = 200, *, code: str = "") -> HttpAnswer:
    """Return an answer in AWS JSON 1.1; an error if `code` is given. None is an empty body (UnlinkIdentity)."""
    body = b"" if members is None else json.dumps(members).encode()
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", str(uuid.uuid4()))]
    if code:
        headers.append(("x-amzn-ErrorType", f"{code}:"))
        headers.append(("x-amzn-ErrorMessage", _one_line(str((members or {}).get("message", "")))))
    return HttpAnswer(status, tuple(headers), body, code)


def json_document(members: Mapping[str, Any]) -> HttpAnswer:
    """Return a public document, such as a JWKS."""
    return HttpAnswer(200, (("Content-Type", "application/json"),), json.dumps(members).encode())


def json_error(refusal: Refusal) -> HttpAnswer:
    members = {"__type": refusal.code, "message": refusal.message}
    return json_answer(members, refusal.status, code=refusal.code)


def query_error(refusal: Refusal, namespace: str = STS_NAMESPACE) -> HttpAnswer:
    """Return an error of the query protocol (STS, IAM)."""
    return _xml(
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>Sender</Type><Code>{escape(refusal.code)}</Code>'
        f"<Message>{escape(refusal.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>",
        refusal.status,
        refusal.code,
    )


def s3_error(refusal: Refusal) -> HttpAnswer:
    return _xml(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message>"
        f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>",
        refusal.status,
        refusal.code,
    )


def rest_json_error(refusal: Refusal) -> HttpAnswer:
    body = json.dumps({"message": refusal.message}).encode()
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", refusal.code))
    return HttpAnswer(refusal.status, headers, body, refusal.code)


def web_identity_answer(session: WebIdentitySession) -> HttpAnswer:
    """Return the answer of AssumeRoleWithWebIdentity."""
    keys = session.credentials
    role_name = keys.role_arn.rpartition("/")[2]
    _, partition, _, _, account_id, _ = keys.role_arn.split(":", 5)
    return _xml(
        f'<AssumeRoleWithWebIdentityResponse xmlns="{STS_NAMESPACE}"><AssumeRoleWithWebIdentityResult>'
        f"<Audience>{escape(session.audience)}</Audience><AssumedRoleUser>"
        f"<AssumedRoleId>{keys.role_id}:{escape(keys.session_name)}</AssumedRoleId>"
        f"<Arn>arn:{partition}:sts::{account_id}:assumed-role/{role_name}/{escape(keys.session_name)}</Arn></AssumedRoleUser>"
        f"<Provider>{escape(session.provider)}</Provider><Credentials>"
        f"<AccessKeyId>{keys.access_key_id}</AccessKeyId><SecretAccessKey>{escape(keys.secret_access_key)}"
        f"</SecretAccessKey><SessionToken>{escape(keys.session_token)}</SessionToken>"
        f"<Expiration>{timestamp(keys.expires_at)}</Expiration></Credentials>"
        f"<SubjectFromWebIdentityToken>{escape(session.subject)}</SubjectFromWebIdentityToken>"
        f"</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>"
        "</ResponseMetadata></AssumeRoleWithWebIdentityResponse>",
        200,
    )


def empty_answer(operation: str) -> HttpAnswer:
    """Return IAM's answer of an operation that returns nothing."""
    return _xml(
        f'<{operation}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
        f"<RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{operation}Response>",
        200,
    )


def timestamp(seconds: float) -> str:
    """Return a time in ISO 8601, UTC and whole seconds, as in the query protocol."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def html_page(status: int) -> HttpAnswer:
    """Return the page with which a proxy or load balancer answers instead of the service."""
    answer = HttpAnswer(status, (("Content-Type", "text/html"),), b"")
    page = f"<html><body><h1>{answer.status_line}</h1></body></html>".encode()
    return HttpAnswer(status, answer.headers, page, str(status))


def _xml(text: str, status: int, code: str = "") -> HttpAnswer:
    headers = (("Content-Type", "text/xml"), ("x-amzn-RequestId", str(uuid.uuid4())))
    return HttpAnswer(status, headers, text.encode(), code)


def _one_line(text: str) -> str:
    """Make a text suitable for a header: no control characters, Latin-1, limited length."""
    printable = "".join(char if " " <= char <= "~" else "?" for char in text)
    return printable[:512]
