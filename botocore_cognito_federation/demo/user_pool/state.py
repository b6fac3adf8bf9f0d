"""The pools of a world, and what all their operations share: lookups, codes, limits, sign-in sessions, tokens."""

from __future__ import annotations

import base64
import hmac
import secrets
import string
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..clock import WorldClock
from ..records import Message
from . import refusals
from .records import ATTRIBUTE_OF, AppClient, Code, PoolKeys, PoolSettings, User, UserPool, masked_destination
from .tokens import TokenService

#: After so many wrong passwords in a row a user is locked out, for a second that doubles with each further one
#: (developer guide, "Lockout behavior for failed sign-in attempts").
FREE_FAILURES = 5
LONGEST_LOCK = 900.0
#: Wrong codes and requests for codes an hour, for one user and operation (developer guide, "Quotas": the service's own
#: figures lie between 5 and 20 and depend on the account's history).
ATTEMPTS_AN_HOUR = 5
CODE_SECONDS = 24 * 3600.0

Members = dict[str, Any]
"""The members of an answer."""

Operation = Callable[["Directory", Members], Members]
"""Carries out one operation: the state, and a request whose shape is checked; returns the members of the answer."""


@dataclass
class Conversation:
    """A sign-in between two calls.

    Attributes:
        typed: the name that the caller gave; answers may use it or the user's own name.
        user: None for a user who does not exist, whom a client with `hides_users` gets simulated.
        challenge: what the next answer must be for.
        factors: what the user has passed, such as ``PASSWORD`` or ``SOFTWARE_TOKEN_MFA``.
        data: what the challenge needs, such as the SRP exchange or the code.
        expires_at: of the session.
    """

    pool: UserPool
    client: AppClient
    typed: str
    user: User | None
    flow: str
    challenge: str = ""
    device_key: str = ""
    factors: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    expires_at: float = 0.0

    @property
    def name(self) -> str:
        return self.user.username if self.user is not None else self.typed


class Sessions:
    """The sessions of sign-ins: each is valid for one answer and for the minutes that its app client allows."""

    def __init__(self, clock: WorldClock) -> None:
        self._clock = clock
        self._open: dict[str, Conversation] = {}
        self._used: set[str] = set()

    def open(self, conversation: Conversation, token: str = "") -> str:
        """Return the Session for the next answer: `token`, or a new one."""
        if not conversation.expires_at:
            conversation.expires_at = self._clock.now() + 60 * conversation.client.session_minutes
        token = token or "AYABe" + secrets.token_urlsafe(192)
        self._open[token] = conversation
        return token

    def take(self, token: str, client: AppClient) -> Conversation:
        """Use a session up.

        Raises:
            Refusal: it was used before, has expired, or is not of this app client.
        """
        found = self._open.get(token)
        if found is not None and found.client.client_id != client.client_id:
            raise refusals.session_invalid()
        return self.take_any(token)

    def take_any(self, token: str) -> Conversation:
        """Use up a session of any app client, for the operations without ClientId."""
        if token in self._used:
            raise refusals.session_used()
        found = self._open.pop(token, None)
        if found is None:
            raise refusals.session_invalid()
        self._used.add(token)
        if self._clock.now() >= found.expires_at:
            raise refusals.session_expired()
        return found

    def restore(self, token: str, conversation: Conversation) -> None:
        """Let a session be answered again: a wrong code does not use it up."""
        self._used.discard(token)
        self._open[token] = conversation


def ask(directory: Directory, conversation: Conversation, challenge: str, parameters: dict[str, str]) -> Members:
    """Return the members of an answer that asks a challenge."""
    conversation.challenge = challenge
    session = directory.sessions.open(conversation)
    return {"ChallengeName": challenge, "ChallengeParameters": parameters, "Session": session}


class Directory:
    """The user pools of one world. `lock` is held while an operation runs.

    Args:
        clock: the world's.
        region: the first part of each pool's ID.
        on_message: called with each e-mail and SMS.
    """

    def __init__(self, clock: WorldClock, region: str, on_message: Callable[[Message], None] | None = None) -> None:
        self.clock = clock
        self.region = region
        self.endpoint_url = ""
        self.lock = threading.RLock()
        self.pools: dict[str, UserPool] = {}
        self.outbox: list[Message] = []
        self.keys = PoolKeys()
        self.sessions = Sessions(clock)
        self.tokens = TokenService(clock)
        self.on_message = on_message

    def add_pool(self, settings: PoolSettings) -> UserPool:
        """Add a user pool; its issuer is this world's endpoint, as AWS's is its own."""
        alphabet = string.ascii_letters + string.digits
        pool_id = f"{self.region}_{''.join(secrets.choice(alphabet) for _ in range(9))}"
        pool = UserPool(pool_id, f"{self.endpoint_url}/{pool_id}", settings, self.keys)
        with self.lock:
            self.pools[pool_id] = pool
        return pool

    def client(self, client_id: str) -> tuple[UserPool, AppClient]:
        """Return an app client and its pool.

        Raises:
            Refusal: there is none with this ID.
        """
        for pool in self.pools.values():
            if client_id in pool.clients:
                return pool, pool.clients[client_id]
        raise refusals.unknown_client(client_id)

    def known_client(self, request: Mapping[str, Any]) -> tuple[UserPool, AppClient]:
        """Return the app client of an operation with ClientId, Username and SecretHash, which is checked."""
        pool, client = self.client(request["ClientId"])
        self.check_secret(client, request["Username"], request.get("SecretHash"))
        return pool, client

    @staticmethod
    def check_secret(client: AppClient, username: str, given: str | None) -> None:
        """Refuse a request whose secret hash is missing, wrong or not expected."""
        if not client.secret:
            if given:
                raise refusals.secret_hash_not_expected(client.client_id)
            return
        if not given:
            raise refusals.secret_hash_missing(client.client_id)
        digest = hmac.digest(client.secret.encode(), (username + client.client_id).encode(), "sha256")
        if not hmac.compare_digest(base64.b64encode(digest), given.encode()):
            raise refusals.secret_hash_wrong(client.client_id)

    @staticmethod
    def check_plain_secret(client: AppClient, given: str | None) -> None:
        """Refuse a request whose ClientSecret is missing, wrong or not expected."""
        if client.secret != (given or ""):
            raise refusals.client_secret_wrong(client.client_id)

    def bearer(self, request: Mapping[str, Any]) -> tuple[UserPool, User, dict[str, Any]]:
        """Return the user of an access token, with its claims.

        Raises:
            Refusal: the token is not of this world, has expired or was revoked, or its user is gone.
        """
        pool, claims = self.tokens.check_access_token(self.pools, request["AccessToken"])
        user = pool.users.get(str(claims["username"]))
        if user is None or user.sub != claims["sub"]:
            raise refusals.unknown_user()
        if not user.enabled:
            raise refusals.disabled()
        if user.status == "RESET_REQUIRED":
            raise refusals.password_reset_required()
        return pool, user, claims

    def send_code(self, pool: UserPool, user: User | None, name: str, medium: str, purpose: str) -> tuple[str, str]:
        """Send a code by a medium; return it and the masked address. For a user who does not exist nothing is sent."""
        digits = 8 if purpose in ("EMAIL_OTP", "SMS_OTP") else 6
        code = "".join(secrets.choice(string.digits) for _ in range(digits))
        if user is None:
            return code, masked_destination(medium, name if "@" in name else f"{name}@example.com")
        address = user.attributes[ATTRIBUTE_OF[medium]]
        message = Message(pool.pool_id, user.username, medium, address, code, purpose, self.clock.now())
        self.outbox.append(message)
        if self.on_message is not None:
            self.on_message(message)
        return code, masked_destination(medium, address)

    def send_operation_code(self, pool: UserPool, user: User, attribute: str, operation: str) -> dict[str, str]:
        """Send the code of an operation such as ``ConfirmSignUp`` and store it; return CodeDeliveryDetails."""
        medium = "EMAIL" if attribute == "email" else "SMS"
        code, shown = self.send_code(pool, user, user.username, medium, operation)
        user.codes[operation] = Code(code, self.clock.now() + CODE_SECONDS, attribute)
        return {"Destination": shown, "DeliveryMedium": medium, "AttributeName": attribute}

    def check_operation_code(self, user: User, operation: str, given: str) -> Code:
        """Check the code of an operation and use it up.

        Raises:
            Refusal: it is wrong, has expired, or there were too many attempts.
        """
        self.limit(user, operation, count=False)
        code = user.codes.get(operation)
        if code is None or self.clock.now() >= code.expires_at:
            raise refusals.code_expired()
        if not hmac.compare_digest(code.value.encode(), given.encode()):
            self.limit(user, operation)
            raise refusals.code_mismatch()
        del user.codes[operation]
        user.attempts.pop(operation, None)
        return code

    def limit(self, user: User, operation: str, *, count: bool = True) -> None:
        """Count an attempt of an operation.

        Raises:
            Refusal: there were too many in the last hour.
        """
        now = self.clock.now()
        recent = [time for time in user.attempts.get(operation, ()) if now - time < 3600]
        if len(recent) >= ATTEMPTS_AN_HOUR:
            raise refusals.attempt_limit()
        user.attempts[operation] = [*recent, now] if count else recent

    def check_lock(self, user: User) -> None:
        """Refuse a sign-in of a user who is locked out."""
        if self.clock.now() < user.locked_until:
            raise refusals.locked_out()

    def note_failure(self, user: User | None) -> None:
        """Count a wrong password or second factor."""
        if user is None:
            return
        user.failures += 1
        if user.failures >= FREE_FAILURES:
            seconds = min(2.0 ** (user.failures - FREE_FAILURES), LONGEST_LOCK)
            user.locked_until = self.clock.now() + seconds
