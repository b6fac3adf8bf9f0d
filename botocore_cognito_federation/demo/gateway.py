"""The one port of a world: it answers for the identity pool, passes other calls to moto, and refuses expired keys."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl
from xml.etree import ElementTree

from . import administration, chaining, model_limits, operations, query_by_get, refusals, scope_down, sts, wire
from .administration import Administration
from .clock import WorldClock
from .faulting import break_connection, damaged, substitute
from .journal import FaultBook, Journal
from .operations import IdentityPoolService
from .records import Call
from .refusals import Refusal
from .sessions import Sessions
from .sts import WebIdentityService
from .user_pool import service as user_pools
from .user_pool.service import UserPoolService
from .wire import HttpAnswer

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Control = Callable[[Environ], HttpAnswer]

_TARGET = "AWSCognitoIdentityService."
_SERVICES = {_TARGET: "cognito-identity", user_pools.TARGET: "cognito-idp"}
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/([^/]+)/([^/]+)/")
# Role chaining: an hour at most (STS AssumeRole, "DurationSeconds").
_CHAINED_SECONDS = 3600


@dataclass(frozen=True)
class Request:
    """The facts by which the gateway routes a request."""

    method: str
    path: str
    target: str
    form: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    access_key: str
    scope_region: str
    scope_service: str

    @property
    def signed(self) -> bool:
        return bool(self.access_key)

    @property
    def service(self) -> str:
        if self.scope_service:
            return self.scope_service
        if self.target:
            return _SERVICES.get(f"{self.target.partition('.')[0]}.", self.target.partition(".")[0])
        return "sts" if "Action" in self.form else "s3"

    @property
    def operation(self) -> str:
        if self.target:
            return self.target.rpartition(".")[2]
        return self.form.get("Action") or _s3_operation(self.method, self.path)


@dataclass(frozen=True)
class Gateway:
    """A WSGI application over moto's own."""

    service: IdentityPoolService
    administration: Administration
    web_identity: WebIdentityService
    sessions: Sessions
    clock: WorldClock
    journal: Journal
    faults: FaultBook
    user_pools: UserPoolService
    moto: Any
    control: Control

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith("/_demo/"):
            return _send(self.control(environ), start_response)
        document = self.user_pools.document(environ.get("PATH_INFO", ""))
        if document is not None:
            self.journal.add(Call("jwks" if "keys" in document else "discovery", "cognito-idp", self.clock.now()))
            return _send(wire.json_document(document), start_response)
        request = read_request(environ)
        fault = self.faults.take((request.operation, request.service))
        if fault is not None and fault.close:
            self._note(request, HttpAnswer(0, (), b""))
            break_connection(environ)
        if fault is not None and fault.replaces_the_answer:
            answer = substitute(fault, error_style(request))
            self._note(request, answer)
            return _send(answer, start_response)
        answer, identity_id, access_key = self._answered(request, environ)
        self._note(request, answer, identity_id, access_key)
        if fault is not None and fault.damages_the_answer and answer.status == 200:
            answer = damaged(fault, answer)
        return _send(answer, start_response)

    def _answered(self, request: Request, environ: Environ) -> tuple[HttpAnswer, str, str]:
        if request.target.startswith(_TARGET) and request.operation in operations.UNSIGNED | operations.SIGNED:
            return self._identity_pool(request, environ)
        if request.target.startswith(_TARGET) and request.operation in self.administration.operations():
            return self._administered(request, environ)

        if request.target.startswith(user_pools.TARGET) and request.operation in user_pools.OPERATIONS:
            return self._user_pool(request)
        if request.operation == sts.OPERATION:
            return self._assume_with_web_identity(request)
        if not request.signed:
            return error_style(request)(_unsigned_refusal(request)), "", ""
        if request.service == "iam":
            try:
                administration.check_iam_request(request.form, self.service.account.partition.pool_name)
                account = self.service.account
                administration.check_permissions(account, request.access_key, request.operation, request.form)
            except Refusal as refusal:
                return wire.query_error(refusal), "", request.access_key
            if request.operation in administration.CLIENT_ID_OPERATIONS:
                return self._client_ids(request, environ), "", request.access_key
        if request.service == "sts" and request.operation == chaining.OPERATION:
            return self._assume_role(request, environ), "", request.access_key
        return self._moto_answer(request, environ), "", request.access_key

    def _assume_role(self, request: Request, environ: Environ) -> HttpAnswer:
        answer = self._moto_answer(request, environ)  # which verifies the signature
        account = self.web_identity.account
        caller_role, caller = account.session_of(request.access_key)
        role = account.role(request.form.get("RoleArn", ""))
        if answer.status != 200:
            return answer
        if caller_role and role is not None:
            try:
                chaining.admit(request.form, role.trust_policy, role.arn, caller_role, caller)
            except Refusal as refusal:
                return wire.query_error(refusal)
        return self._with_world_expiry(request, answer)

    def _identity_pool(self, request: Request, environ: Environ) -> tuple[HttpAnswer, str, str]:
        asked = ""
        try:
            members = _json_members(request.body)
            asked = str(members.get("IdentityId", ""))
            if request.operation in operations.SIGNED:
                self._require_signature(request, environ)
            answer = self.service.call(request.operation, members)
        except Refusal as refusal:
            return wire.json_error(refusal), asked, request.access_key
        return wire.json_answer(answer.members), answer.identity_id, answer.access_key or request.access_key

    def _administered(self, request: Request, environ: Environ) -> tuple[HttpAnswer, str, str]:
        try:
            members = _json_members(request.body)
            model_limits.check("cognito-identity", request.operation, members)
            self._require_signature(request, environ)
            administration.check_permissions(self.service.account, request.access_key, request.operation, members)
            answer = self.administration.operations()[request.operation](members)
        except Refusal as refusal:
            return wire.json_error(refusal), "", request.access_key
        return wire.json_answer(answer), "", request.access_key

    def _client_ids(self, request: Request, environ: Environ) -> HttpAnswer:
        """Change the client IDs of an OIDC provider, which moto lacks."""
        try:
            return self._moto_answer(request, environ)  # a refusal
        except NotImplementedError:
            pass  # moto has checked the caller
        try:
            self.administration.change_client_ids(request.operation, request.form)
        except Refusal as refusal:
            return wire.query_error(refusal)
        return wire.empty_answer(request.operation)

    def _user_pool(self, request: Request) -> tuple[HttpAnswer, str, str]:
        try:
            answer = self.user_pools.call(request.operation, _json_members(request.body))
        except Refusal as refusal:
            return wire.json_error(refusal), "", ""
        return wire.json_answer(answer), "", ""

    def _require_signature(self, request: Request, environ: Environ) -> None:
        """Ask moto's IAM enforcement, and nothing else of it: moto knows none of the world's pools."""
        if not request.signed:
            raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
        try:
            doorkeeper = self._moto_answer(request, environ)
        except (NotImplementedError, KeyError):
            return  # moto checks the caller first; then it lacks the operation, or this world's pool
        if doorkeeper.code in _DENIALS:
            raise Refusal(doorkeeper.code, str(json.loads(doorkeeper.body).get("message", "")))

    def _assume_with_web_identity(self, request: Request) -> tuple[HttpAnswer, str, str]:
        try:
            session = self.web_identity.assume_role(request.form)
        except Refusal as refusal:
            return wire.query_error(refusal), "", ""
        identity_id = session.subject if session.provider == self.web_identity.account.partition.pool_name else ""
        return wire.web_identity_answer(session), identity_id, session.credentials.access_key_id

    def _moto_answer(self, request: Request, environ: Environ) -> HttpAnswer:
        if request.service == "cloudformation":
            from . import stacks

            stacks.enable(self.administration)
        if self.sessions.expired(request.access_key):
            return error_style(request)(_expiry_refusal(request))
        if self.sessions.narrowed(request.access_key):
            beyond = scope_down.refuse_beyond(request.service, request.operation, bool(request.target))
            if beyond is not None:
                return error_style(request)(beyond)
        outside = scope_down.refuse_outside(
            self.sessions.policy(request.access_key), request.service, request.operation, bool(request.target)
        )
        if outside is not None:
            return error_style(request)(outside)
        if "HTTP_AUTHORIZATION" not in environ:
            return error_style(request)(refusals.presigned())
        credentials = self.service.account.credentials(request.access_key)
        if request.method == "GET" and "Action" in request.form and credentials is not None:
            query_by_get.as_post(environ, credentials, request.scope_region, request.scope_service)
        status, headers, body = _run(self.moto, environ)
        answer = HttpAnswer(status, headers, body)
        return _as_json_error(answer) if request.target and status >= 400 else answer

    def _with_world_expiry(self, request: Request, answer: HttpAnswer) -> HttpAnswer:
        """Replace the expiry: moto computes it with the machine's clock, this world has its own."""
        text = answer.body.decode()
        issued = re.search(r"<AccessKeyId>([^<]+)</AccessKeyId>", text)
        seconds = int(request.form.get("DurationSeconds", "3600"))
        if issued is None:
            return answer
        if self.sessions.is_session(request.access_key) and seconds > _CHAINED_SECONDS:
            return wire.query_error(refusals.chained_too_long())
        expires_at = self.clock.now() + self.sessions.capped(seconds)
        self.sessions.remember(issued.group(1), expires_at, request.form.get("Policy", ""))
        dated = f"<Expiration>{wire.timestamp(expires_at)}</Expiration>"
        body = re.sub(r"<Expiration>[^<]*</Expiration>", dated, text).encode()
        headers = tuple((name, value) for name, value in answer.headers if name.lower() != "content-length")
        return HttpAnswer(answer.status, headers, body)

    def _note(self, request: Request, answer: HttpAnswer, identity_id: str = "", access_key: str = "") -> None:
        code = answer.code or (_code_in(answer) if answer.status >= 400 else "")
        self.journal.add(
            Call(
                operation=request.operation,
                service=request.service,
                time=self.clock.now(),
                identity_id=identity_id,
                access_key=access_key,
                status=answer.status,
                code=code,
            )
        )


def read_request(environ: Environ) -> Request:
    """Read a complete request; its body is put back for moto."""
    body = _read_body(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    credential = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if credential is None and "X-Amz-Credential" in query:  # presigned
        credential = _CREDENTIAL.search(f"Credential={query['X-Amz-Credential'][0]}")
    form: dict[str, str] = {}
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    elif "Action" in query:
        form = {name: values[0] for name, values in query.items()}
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", "/"),
        target=environ.get("HTTP_X_AMZ_TARGET", ""),
        form=form,
        body=body,
        access_key=credential.group(1) if credential else "",
        scope_region=credential.group(2) if credential else "",
        scope_service=credential.group(3) if credential else "",
    )


def error_style(request: Request) -> Callable[[Refusal], HttpAnswer]:
    """Return the error format of this request's service."""
    if request.target:
        return wire.json_error
    if request.service == "s3":
        return wire.s3_error
    return wire.query_error if "Action" in request.form else wire.rest_json_error


def _read_body(environ: Environ) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


def _json_members(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise refusals.serialization() from None
    if not isinstance(members, dict):
        raise refusals.serialization()
    return members


def _expiry_refusal(request: Request) -> Refusal:
    """Return the protocol's own form of "these credentials have expired"."""
    if request.target:
        return Refusal("ExpiredTokenException", "The security token included in the request is expired")
    if request.service == "s3":
        return Refusal("ExpiredToken", "The provided token has expired.")
    if "Action" in request.form:
        return Refusal("ExpiredToken", "The security token included in the request is expired", 403)
    return Refusal("ExpiredTokenException", "The security token included in the request is expired", 403)


def _unsigned_refusal(request: Request) -> Refusal:
    if request.service == "s3":
        return Refusal("AccessDenied", "Access Denied", 403)
    if request.target:
        return Refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    return Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)


def _code_in(answer: HttpAnswer) -> str:
    """Return the error code of one of moto's answers, or else the status."""
    found = re.search(rb"<Code>([^<]+)</Code>", answer.body)
    return found.group(1).decode() if found else str(answer.status)


def _as_json_error(answer: HttpAnswer) -> HttpAnswer:
    """Convert an error: moto's enforcement answers JSON services in XML, from which botocore reads only the status."""
    try:
        error = ElementTree.fromstring(answer.body)  # noqa: S314 - written by moto in this process
    except ElementTree.ParseError:
        return answer
    found = {part: next((node.text or "" for node in error.iter() if node.tag.endswith(part)), "") for part in _PARTS}
    return wire.json_error(Refusal(_JSON_CODES.get(found["Code"], found["Code"]), found["Message"]))


_PARTS = ("Code", "Message")
#: What IAM itself answers, before the service sees a request.
_DENIALS = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)
_JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}


def _s3_operation(method: str, path: str) -> str:
    bucket, _, key = path.strip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    names = {"GET": "ListObjects", "PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}
    objects = {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
    return (objects if key else names).get(method, method)


def _run(application: Any, environ: Environ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Call a WSGI application and collect its complete answer."""
    noted: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        noted.append((status, headers))
        return written.append

    chunks = application(environ, start)
    try:
        written.extend(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = noted[-1]
    return int(status.split()[0]), tuple(headers), b"".join(written)


def _send(answer: HttpAnswer, start_response: StartResponse) -> list[bytes]:
    headers = list(answer.headers)
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers.append(("Content-Length", str(len(answer.body))))
    start_response(answer.status_line, headers)
    return [answer.body]
