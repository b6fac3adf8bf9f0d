"""The common part of all stores: documents by kind and key, the keys, the sign-out epochs, and test doubles.

Each sign-out gives its scope a new random epoch. Clearing AWS credentials gives them a separate one, which does not
affect the sign-in. A stored document has the epoch in which its creation began, and is valid only while that is the
current one.

Answers of a test double (moto, VCR, responses, a mock) do not reach the files that real processes use. They stay in
memory as long as the double is active. Doubles are detected without any import: a program that has not imported such a
tool does not use it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from .._util.files import StorageErrorsIgnored, storage_error
from ..credentials import time_in

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..login_token import Login

#: Written into every document. A later format that today's code cannot read is a miss, not an error.
FORMAT = 2

CREDENTIALS = "credentials"
IDENTITIES = "identities"
FAILURES = "failures"
EPOCHS = "generations"
NOTES = "notes"
SESSIONS = "sessions"
SECRETS = "secrets"
DOCUMENTS = "documents"
LINKS = "links"
TURNS = "turns"
#: Seconds that the longest queue of turns can take.
_LONGEST_QUEUE = 3600.0
PUBLISHED = "published"

#: Kinds that a keyring stores instead of files.
SECRET_KINDS = frozenset({CREDENTIALS, SESSIONS, SECRETS})
#: Kinds that cannot be fetched again. Such a file that cannot be read is an error: "Not signed in" would mislead.
LASTING_SECRETS = frozenset({SESSIONS, SECRETS})


class Store(Protocol):
    """Documents, each under a kind and a key made by `cache_key`."""

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """Return the document, or None if there is none; damage is a miss."""
        ...

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Write a document, completely or not at all.

        Raises:
            StorageError: it could not be written.
        """
        ...

    def delete(self, kind: str, key: str) -> None:
        """Delete a document.

        Raises:
            StorageError: it exists and could not be removed.
        """
        ...

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """All documents of a kind, with their keys."""
        ...

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        """Hold the lock `name`; yields whether it was taken within `timeout` seconds.

        Raises:
            StorageError: this place cannot have locks.
        """
        ...

    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
        """Prove that successors of a document can be written, and reserve the space for them until the context ends.

        Data that cannot be fetched again, such as a refresh token, is used only inside. The context yields the function
        that writes a successor, which may be twice as long as the document. Until then the document does not change.

        Raises:
            StorageError: a successor could not be written.
        """
        ...

    def holder(self, name: str) -> str:
        """Name the process that holds the lock `name`, for a sentence: "Process 12 (aws)", else "Another process"."""
        ...

    def warn(self, text: str) -> None:
        """Store a note for ``status`` and ``doctor``; never raises."""
        ...

    def turn(self, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        """Take the next turn of a queue in which turns are `interval` seconds apart; return the seconds until then.

        There is a queue for a minute after the last `begin` or turn, else 0 is returned. None is returned, and no turn
        taken, if there would be more than `most` seconds to wait. A place that cannot be used has no queue.
        """
        ...


class LockedTurns:
    """The queues of a store of one machine, which has locks."""

    def turn(self: Store, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        """See `Store.turn`."""
        return _locked_turn(self, name, interval, most=most, begin=begin)


@dataclass(eq=False)
class MemoryStore(LockedTurns):
    """The `Store` of one process: for ``cognito_cache = memory``, and if nothing can be written.

    Documents are converted to JSON and back, so that it behaves like the others.
    """

    notes: list[str] = field(default_factory=list)
    _documents: dict[tuple[str, str], str] = field(default_factory=dict, repr=False)

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        text = self._documents.get((kind, key))
        document: Mapping[str, Any] | None = None if text is None else json.loads(text)
        return document

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        self._documents[(kind, key)] = json.dumps(document)

    def delete(self, kind: str, key: str) -> None:
        self._documents.pop((kind, key), None)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for (of_kind, key), text in list(self._documents.items()):
            if of_kind == kind:
                yield key, json.loads(text)

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        from .._util.concurrency import in_turn

        return in_turn(f"{id(self)} {name}", timeout)

    @contextmanager
    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        yield lambda successor: self.write(kind, key, successor)

    def holder(self, name: str) -> str:
        return "Another thread"

    def warn(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


#: Seconds for which a queue of turns is there after it was last used.
QUEUE_LIFE = 60.0


def _locked_turn(store: Store, name: str, interval: float, *, most: float, begin: bool) -> float | None:
    key = cache_key({"what": "turns", "name": name})
    with StorageErrorsIgnored():
        if not begin and not _in_use(store.read(TURNS, key)):
            return 0.0
        with store.lock(f"turns-{key[:32]}", timeout=1.0) as taken:
            queue, now = store.read(TURNS, key) if taken else None, time.time()
            start = max(now, float((queue or {}).get("next", 0.0))) if _in_use(queue) else now
            if start - now > most:
                return None
            if taken:
                store.write(TURNS, key, {"next": start + interval, "until": start + QUEUE_LIFE})
            return start - now
    return 0.0


def _in_use(queue: Mapping[str, Any] | None) -> bool:
    if queue is None:
        return False
    now, following, until = time.time(), time_in(queue.get("next")), time_in(queue.get("until"))
    if following is None or until is None:
        return False
    # A clock that was set back must not make anybody wait for hours.
    return now < until and following - now < _LONGEST_QUEUE


#: Scopes whose keys are remembered: each fetch and each renewal looks several times whether there was a sign-out.
_RECENT_SCOPES = 256


def cache_key(parts: Mapping[str, object]) -> str:
    """Return the key of a document: a digest of everything that distinguishes it from others."""
    named = [(name, "" if (value := parts[name]) is None else str(value)) for name in sorted(parts)]
    together = "".join([f"{len(name)}:{name}{len(text)}:{text}" for name, text in named])
    if not together.isascii():  # The lengths are those of the bytes.
        texts = [text for pair in named for text in pair]
        together = "".join([f"{len(_encoded(text))}:{text}" for text in texts])
    return hashlib.sha256(_encoded(together)).hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def identity_key(settings: Settings, login: Login | None) -> str:
    """Return the key of an identity ID: its issuer and its user."""
    return cache_key({"what": "identity", **_place(settings), **_user_parts(settings, login)})


def credentials_key(settings: Settings, login: Login | None) -> str:
    """Return the key of credentials: the identity, and everything that affects what the pool or STS issues for it."""
    asks_sts = settings.flow != "enhanced" or settings.assume_role_arn is not None
    return cache_key(
        {
            "what": "credentials",
            **_place(settings),
            **_user_parts(settings, login),
            "flow": settings.flow,
            "role": settings.role_arn,
            "duration": settings.duration_seconds,
            "session name": settings.role_session_name,
            "assumed role": settings.assume_role_arn,
            "sts": settings.sts_endpoint if asks_sts else None,
            "assumed in": settings.region_name if settings.assume_role_arn else None,
            **_further_role(settings),
            **_client(settings, login),
        }
    )


def _client(settings: Settings, login: Login | None) -> dict[str, object]:
    """The client that a login token was issued to: a role's trust policy may accept one client and not another.

    An identity pool gives a user of any client the same identity and so the same credentials.
    """
    if settings.identity_pool_id is not None or login is None:
        return {}
    claims = login.token.claims
    audience = claims.get("aud")
    named = sorted(map(str, audience)) if isinstance(audience, list) else audience
    return {"client": settings.client_id if named is None else named, "authorized": claims.get("azp")}


def _further_role(settings: Settings) -> dict[str, object]:
    """The options of the further role that are set; one that is not leaves the key as it was before there was any."""
    if settings.assume_role_arn is None:
        return {}
    options = {
        "assumed as": settings.assume_role_session_name,
        "assumed for": settings.assume_role_duration_seconds,
        "assumed by": settings.assume_role_external_id,
        "session policy": settings.assume_role_policy,
        "session policies": settings.assume_role_policy_arns,
        "session tags": settings.assume_role_tags,
        "source identity": settings.assume_role_source_identity,
    }
    return {name: value for name, value in options.items() if value}


@dataclass(frozen=True)
class Entry:
    """The place of one user's credentials in a store.

    Attributes:
        key: the key of the credentials.
        identity_key: the key of the identity ID.
        user: a digest of the user; empty where only the identity pool can say who it is.
        token: digest of the token that the cached credentials must have been exchanged for; None where its claims are
            believed.
    """

    key: str
    identity_key: str
    user: str = ""
    token: str | None = None

    @classmethod
    def of(cls, settings: Settings, login: Login | None, *, claims_are_believed: bool = True) -> Entry:
        """The entry of a login; that of the guest without one."""
        token = None if claims_are_believed or login is None else login.token.digest
        return cls(credentials_key(settings, login), identity_key(settings, login), user_fingerprint(login), token)


def user_fingerprint(login: Login | None) -> str:
    """A digest of the user of a login; empty for an opaque token, which names nobody and whose next one differs."""
    if login is None or not login.token.claims.get("sub"):
        return ""
    return cache_key({"what": "who", "login": login.key, "subject": login.token.subject})


def links_key(settings: Settings, login: Login) -> str:
    """Return the key of the links of a login: the pool and the user, without role and flow."""
    own = replace(login, linked=())
    return cache_key({"what": "links", **_place(settings), **_user_parts(replace(settings, identity_id=None), own)})


@lru_cache(maxsize=_RECENT_SCOPES)
def forgotten_key(scope: str) -> str:
    """Return the key of the revocation marker for cleared AWS credentials."""
    return cache_key({"what": "forgotten", "scope": scope})


@lru_cache(maxsize=_RECENT_SCOPES)
def scope_key(scope: str) -> str:
    """The key of a sign-out epoch."""
    return cache_key({"what": "scope", "scope": scope})


def _place(settings: Settings) -> dict[str, object]:
    return {
        "pool": settings.identity_pool_id,
        "endpoint": settings.endpoint,
        "fips": settings.fips,
        "dual stack": settings.dual_stack,
        "account": settings.account_id,
    }


def _user_parts(settings: Settings, login: Login | None) -> dict[str, object]:
    if settings.identity_id is not None:
        return {"who": f"identity {settings.identity_id}"}
    if login is None:
        return {"who": f"guest {settings.guest}".rstrip()}
    parts: dict[str, object] = {"who": f"login {login.key}", "subject": login.token.subject}
    for mark in login.linked:
        parts[f"linked {mark.key}"] = mark.subject
    return parts


#: The scope that contains all others, including those whose first credentials are still being fetched.
EVERYTHING = "everything"


def epoch_keys(scope: str) -> tuple[str, ...]:
    """Return the keys of the documents that together are the epoch of a scope.

    A sign-out and a clearing write separate documents, so that neither can undo the other.
    """
    return scope_key(scope), forgotten_key(scope), forgotten_key(EVERYTHING)


def current_epoch(store: Store, scope: str) -> str:
    """Return the epoch of a scope's AWS credentials; empty before any sign-out or clearing."""
    marks = [str((store.read(EPOCHS, key) or {}).get("generation", "")) for key in epoch_keys(scope)]
    return "/".join(marks) if any(marks) else ""


def sign_in_epoch(store: Store, scope: str) -> str:
    """Return the epoch of a scope's sign-in, which clearing credentials does not change; empty before a sign-out."""
    document = store.read(EPOCHS, scope_key(scope))
    return str(document.get("generation", "")) if document else ""


def sign_in_part(sign_out_epoch: str) -> str:
    """Return the part of a scope's epoch that belongs to its sign-in; see `sign_in_epoch`."""
    return sign_out_epoch.partition("/")[0]


def read_current(store: Store, kind: str, key: str) -> Mapping[str, Any] | None:
    """A document that counts: its scope's epoch is still the one in which its making began."""
    document = store.read(kind, key)
    if document is None or document.get("generation") != current_epoch(store, str(document.get("scope"))):
        return None
    return document


#: What comes of calls to AWS: credentials, failures too.
_OF_AWS = frozenset({CREDENTIALS, IDENTITIES, FAILURES, NOTES, LINKS})
#: Kinds that result from requests to identity providers.
_OF_PROVIDERS = frozenset({DOCUMENTS, FAILURES, NOTES})


@dataclass(eq=False, repr=False)
class StoreBesideDoubles:
    """A store that the answers of test doubles do not reach.

    Args:
        store: stores real answers.
        hosts_share: whether other hosts use that store too.
    """

    store: Store
    hosts_share: bool = False
    _meanwhile: MemoryStore | None = field(default=None, init=False)

    def read(self, kind: str, key: str) -> Mapping[str, Any] | None:
        return self._for(kind).read(kind, key)

    def write(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        _refuse_sessions_of_doubles(kind)
        self._for(kind).write(kind, key, document)

    def delete(self, kind: str, key: str) -> None:
        self._for(kind).delete(kind, key)

    def documents(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return self._for(kind).documents(kind)

    def lock(self, name: str, *, timeout: float) -> AbstractContextManager[bool]:
        return self.store.lock(name, timeout=timeout)

    def reserved(
        self, kind: str, key: str, document: Mapping[str, Any]
    ) -> AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
        # A refresh token is used only inside, so this also prevents its use on a double.
        _refuse_sessions_of_doubles(kind)
        return self._for(kind).reserved(kind, key, document)

    def holder(self, name: str) -> str:
        return self.store.holder(name)

    def warn(self, text: str) -> None:
        self._for(NOTES).warn(text)

    def turn(self, name: str, interval: float, *, most: float, begin: bool) -> float | None:
        return self._for(IDENTITIES).turn(name, interval, most=most, begin=begin)

    def _for(self, kind: str) -> Store:
        of_aws, of_http = double_of_aws() is not None, double_of_http() is not None
        if not of_aws and not of_http:
            self._meanwhile = None
            return self.store
        if (of_aws and kind in _OF_AWS) or (of_http and kind in _OF_PROVIDERS):
            # Checked twice: the double may end in another thread at this moment.
            meanwhile = self._meanwhile or MemoryStore()
            self._meanwhile = meanwhile
            return meanwhile
        return self.store


def _refuse_sessions_of_doubles(kind: str) -> None:
    if kind == SESSIONS and (double := double_of_http()) is not None:
        raise storage_error(
            f"A sign-in is neither stored nor renewed while {double} answers for the identity provider",
            remedy="Renew it before the test, or give the test its own credentials",
        )


def double_of_aws() -> str | None:
    """Return the name of the double that answers botocore's calls instead of AWS; None if there is none."""
    if _at(sys.modules.get("moto.core.models"), "botocore_stubber", "enabled") is True:
        return "moto"
    awsrequest, httpsession = sys.modules.get("botocore.awsrequest"), sys.modules.get("botocore.httpsession")
    for pool in ("AWSHTTPConnectionPool", "AWSHTTPSConnectionPool"):
        if _tool(_at(awsrequest, pool, "ConnectionCls")) == "vcr":
            return "vcr"
    places = (
        _at(httpsession, "URLLib3Session", "send"),
        _at(sys.modules.get("botocore.endpoint"), "Endpoint", "_send"),
        _at(sys.modules.get("botocore.endpoint"), "Endpoint", "make_request"),
        _at(sys.modules.get("botocore.client"), "BaseClient", "_make_api_call"),
    )
    return next((_tool(place) for place in places if _is_double(place)), None)


def double_of_http() -> str | None:
    """Return the name of the double that answers the requests to identity providers; None if there is none.

    moto patches `requests` too, and passes on everything that is not for AWS.
    """
    pools = sys.modules.get("urllib3.connectionpool")
    for pool in ("HTTPConnectionPool", "HTTPSConnectionPool"):
        if _tool(_at(pools, pool, "ConnectionCls")) == "vcr":
            return "vcr"
    adapters, sessions = sys.modules.get("requests.adapters"), sys.modules.get("requests.sessions")
    places = (
        _at(adapters, "HTTPAdapter", "send"),
        _at(sessions, "Session", "send"),
        _at(sessions, "Session", "request"),
        _at(sessions, "Session", "get_adapter"),
    )
    found = next((_tool(place) for place in places if _is_double(place)), None)
    return None if found == "responses" and double_of_aws() == "moto" else found


#: The packages whose stand-ins are known.
_TOOLS = ("moto", "requests_mock", "responses", "unittest", "vcr")


def _tool(place: Any) -> str:
    """The package that a class or function comes from."""
    module = getattr(place, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else type(place).__module__.partition(".")[0]


def _is_double(place: Any) -> bool:
    return place is not None and (hasattr(place, "mock_calls") or _tool(place) in _TOOLS)


def _at(place: Any, *names: str) -> Any:
    for name in names:
        place = getattr(place, name, None)
    return place
