"""The interface of a world for tests and walkthroughs, in this process (`World`) or another (`RemoteWorld`)."""

from __future__ import annotations

import abc
import dataclasses
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from . import home as home_files
from .records import Call, Message, UserPoolFacts, WorldFacts

if TYPE_CHECKING:
    from .signing import Flaw


class Provider(Protocol):
    """The world's OpenID provider: its facts, and tokens on request."""

    client_id: str

    @property
    def issuer(self) -> str: ...

    @property
    def login_key(self) -> str: ...

    def issue(
        self,
        subject: str = "ada",
        *,
        audience: str | list[str] | None = None,
        lifetime: float = 3600,
        flaw: Flaw | None = None,
        algorithm: str = "RS256",
        **claims: Any,
    ) -> str: ...

    def rotate_keys(self, *, keep_old: bool = False) -> None: ...


class DrivenWorld(abc.ABC):
    """A running world: its addresses and its controls.

    The attributes are those of `WorldFacts`, plus `provider` and `second_provider`.
    """

    endpoint_url: str
    region: str
    account_id: str
    pool_id: str
    guest_pool_id: str
    classic_pool_id: str
    developer_provider: str
    authenticated_role_arn: str
    guest_role_arn: str
    other_role_arn: str
    chained_role_arn: str
    federated_role_arn: str
    bucket: str
    object_key: str
    user_pool_id: str
    user_pool_client_id: str
    user_pool_issuer: str
    facts: WorldFacts
    provider: Provider
    second_provider: Provider

    def _adopt(self, facts: WorldFacts) -> None:
        self.facts = facts
        for field in dataclasses.fields(facts):
            if field.name in DrivenWorld.__annotations__:
                setattr(self, field.name, getattr(facts, field.name))

    @property
    def admin_credentials(self) -> dict[str, str]:
        """Return the keys of an IAM user with all permissions, as keyword arguments of a client."""
        return {
            "aws_access_key_id": self.facts.admin_access_key_id,
            "aws_secret_access_key": self.facts.admin_secret_access_key,
        }

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables with which a child process uses `home` as its home directory and this world as AWS."""
        return home_files.environment(self.facts, home)

    def write_home(self, home: Path, executable: str, helper: str | None = None) -> None:
        """Write a real ``~/.aws/config`` and a token into `home`; see `home.write_home`.

        Args:
            home: the home directory.
            executable: absolute path of the ``cognito-federation`` command.
            helper: how ``credential_process`` starts it, such as the words that ``configure`` writes; by its path alone
                if it is None.
        """
        home_files.write_home(self.facts, home, shlex.quote(executable) if helper is None else helper)
        self.write_token(home)

    def write_token(self, home: Path, subject: str = "ada", **options: Any) -> str:
        """Write a new token (options as for `Provider.issue`) into the file that the profiles read, and return it."""
        token = self.provider.issue(subject, **options)
        home_files.write_private(home_files.token_file(home), token)
        return token

    @abc.abstractmethod
    def calls(self, operation: str | None = None) -> list[Call]:
        """Return the journal: every call since the start or the last `reset_journal`, or those of one operation."""

    @abc.abstractmethod
    def reset_journal(self) -> None: ...

    @abc.abstractmethod
    def fault(
        self,
        operation: str,
        *,
        times: int = 1,
        status: int | None = None,
        code: str = "",
        message: str = "",
        delay: float = 0.0,
        close: bool = False,
        truncate: bool = False,
        empty_body: bool = False,
        missing_keys: Iterable[str] = (),
    ) -> None:
        """Make the next `times` calls of an operation fail; see `journal.Fault`."""

    @abc.abstractmethod
    def clear_faults(self) -> None: ...

    @property
    @abc.abstractmethod
    def clock_offset(self) -> float:
        """Seconds the world's clock is ahead of the machine's; may be set."""

    @clock_offset.setter
    @abc.abstractmethod
    def clock_offset(self, seconds: float) -> None: ...

    @property
    @abc.abstractmethod
    def credential_lifetime(self) -> float:
        """The lifetime in seconds of credentials issued from now on; may be set."""

    @credential_lifetime.setter
    @abc.abstractmethod
    def credential_lifetime(self, seconds: float) -> None: ...

    @abc.abstractmethod
    def disable_provider(self) -> None:
        """Remove the provider from every pool."""

    @abc.abstractmethod
    def enable_provider(self) -> None: ...

    @abc.abstractmethod
    def rotate_keys(self) -> None:
        """Make the provider sign with a new key and remove the old key from its JWKS."""

    @abc.abstractmethod
    def forget_identities(self) -> None:
        """Delete every identity of every pool."""

    @abc.abstractmethod
    def trust_issuer(self, issuer: str, client_ids: list[str]) -> str:
        """Make the pools trust another OpenID provider too; return its ``Logins`` key."""

    @abc.abstractmethod
    def register_opaque_token(self, login_key: str, token: str, subject: str, lifetime: float | None = None) -> None:
        """Register a token of a provider whose tokens are opaque (``graph.facebook.com``, ``www.amazon.com``)."""

    @abc.abstractmethod
    def add_pool(
        self,
        *,
        allow_guests: bool = False,
        allow_classic: bool = False,
        authenticated_role: str = "",
        guest_role: str = "",
        custom_roles: Iterable[str] = (),
        token_roles: bool = False,
        deny_ambiguous: bool = False,
        developer_provider: str = "",
    ) -> str:
        """Add an identity pool and return its ID; see `pools.Pool`."""

    @abc.abstractmethod
    def add_user_pool(self, **settings: Any) -> UserPoolFacts:
        """Add a user pool with one app client, whose tokens the identity pools accept.

        Args:
            settings: the members of `user_pool.records.PoolSettings` and `user_pool.records.AppClient`; `secret=True`
                makes a client with a secret.
        """

    @abc.abstractmethod
    def add_user(
        self, user_pool_id: str, username: str, password: str = "", *, temporary: bool = False, **attributes: str
    ) -> str:
        """Add a confirmed user, whose e-mail address and telephone number are verified; return the `sub`.

        Args:
            user_pool_id: the pool.
            username: the name.
            password: empty for a user without one.
            temporary: whether the user must choose a new password at the first sign-in.
            attributes: such as ``email``.
        """

    @abc.abstractmethod
    def messages(self, username: str | None = None) -> list[Message]:
        """Return the e-mails and SMS that the user pools sent, or those to one user, in order."""

    @abc.abstractmethod
    def add_chained_role(
        self,
        name: str,
        *,
        actions: Iterable[str] = ("sts:AssumeRole",),
        conditions: dict[str, Any] | None = None,
    ) -> str:
        """Add a role that sessions of the enhanced flow may assume; see `stage.add_chained_role`."""
