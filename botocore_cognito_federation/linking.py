"""Linking and unlinking the sessions of ``cognito_logins``, when somebody asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigurationError
from .federation import Federation
from .identity_pool.client import IdentityPool, Login
from .identity_pool.linked_logins import LinkedLogins


@dataclass(frozen=True)
class Linking:
    """The links of one configuration, and what it takes to change them.

    Attributes:
        federation: whose own login and identity others are linked to.
        links: what is linked.
        pool: where links are made.
    """

    federation: Federation
    links: LinkedLogins
    pool: IdentityPool

    def link(self, name: str) -> tuple[str, str]:
        """Link the login of a session for good; answers its login key, and the identity from now on.

        Raises:
            CognitoFederationError: either login cannot be had, or Cognito refuses; nothing is marked then.
        """
        other = self.links.login_of(name)
        own, identity_id = self._own()
        return other.key, self.links.link(own, identity_id, other, self.pool)

    def unlink(self, name: str) -> str:
        """Take the login of a session off the identity; answers its login key.

        Raises:
            CognitoFederationError: it is not linked, the own login cannot be had, or Cognito refuses.
        """
        key = self.links.key_of(name)
        own, identity_id = self._own()
        self.links.unlink(own, identity_id, key, self.pool)
        return key

    def _own(self) -> tuple[Login, str]:
        login = self.federation.login()
        if login is None:
            raise ConfigurationError("Guests have no login to link another to", remedy="Set cognito_provider")
        return login, self.federation.credentials().identity_id
