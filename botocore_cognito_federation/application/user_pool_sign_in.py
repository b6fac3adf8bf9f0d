"""Signing in to the federation's own user pool; what the pool answers is federated without another call.

The operations are those of `UserPool` and carry its names; each gives AWS credentials, or the next challenge.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..credentials import FederatedCredentials

if TYPE_CHECKING:
    from ..user_pool import Challenge, Device, UserPool, UserPoolTokens

Metadata = Mapping[str, str] | None


class UserPoolSignIn(ABC):
    """The members of a federation that has a user pool."""

    @abstractmethod
    def _federated(self, ask: Callable[[UserPool], UserPoolTokens | Challenge]) -> FederatedCredentials | Challenge:
        """Credentials for the tokens that the pool answers, or its challenge; a failure is told as one to sign in."""

    def sign_in(
        self,
        username: str,
        password: str | None = None,
        *,
        auth_flow: str = "USER_SRP_AUTH",
        validation_data: Metadata = None,
        client_metadata: Metadata = None,
        device: Device | None = None,
    ) -> FederatedCredentials | Challenge:
        """Sign in to the user pool and exchange its token; arguments as for `UserPool.sign_in`.

        Returns:
            AWS credentials, or the challenge to answer with `confirm_sign_in`, `complete_new_password`,
            `send_custom_challenge_answer` or `answer_challenge`.

        Raises:
            ConfigurationError: there is no user pool, or an argument is wrong.
            SignInFailedError: the user pool refused.
            FederationRefusedError: the identity pool refused what the user pool gave.
            TemporaryError: the same call may succeed later.
        """
        return self._federated(
            lambda pool: pool.sign_in(
                username,
                password,
                auth_flow=auth_flow,
                validation_data=validation_data,
                client_metadata=client_metadata,
                device=device,
            )
        )

    def federate(self, signed_in: UserPoolTokens | Challenge) -> FederatedCredentials | Challenge:
        """Exchange what the user pool answered elsewhere: after a sign-up that signs in by itself, for instance.

        Args:
            signed_in: `SignUp.signed_in`, the answer of `UserPool.confirm_sign_up`, or tokens the application kept.

        Returns:
            AWS credentials, renewed from here on with the refresh token; a challenge goes back as it is.

        Raises:
            ConfigurationError: there is no user pool, or these are no tokens.
            FederationRefusedError: the identity pool refused the token.
            TemporaryError: the same call may succeed later.
        """
        return self._federated(lambda _: signed_in)

    def confirm_sign_in(
        self, challenge: Challenge, answer: str, *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer a challenge for a code, or a choice; see `UserPool.confirm_sign_in`."""
        return self._federated(lambda pool: pool.confirm_sign_in(challenge, answer, client_metadata=client_metadata))

    def complete_new_password(
        self,
        challenge: Challenge,
        new_password: str,
        attributes: Mapping[str, str] | None = None,
        *,
        client_metadata: Metadata = None,
    ) -> FederatedCredentials | Challenge:
        """Answer NEW_PASSWORD_REQUIRED; see `UserPool.complete_new_password`."""
        return self._federated(
            lambda pool: pool.complete_new_password(
                challenge, new_password, attributes, client_metadata=client_metadata
            )
        )

    def send_custom_challenge_answer(
        self, challenge: Challenge, answer: str, *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer a CUSTOM_CHALLENGE; see `UserPool.send_custom_challenge_answer`."""
        return self._federated(
            lambda pool: pool.send_custom_challenge_answer(challenge, answer, client_metadata=client_metadata)
        )

    def answer_challenge(
        self, challenge: Challenge, responses: Mapping[str, str], *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer any challenge; see `UserPool.answer_challenge`."""
        return self._federated(
            lambda pool: pool.answer_challenge(challenge, responses, client_metadata=client_metadata)
        )
