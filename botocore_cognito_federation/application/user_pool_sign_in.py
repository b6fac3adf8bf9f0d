"""The operations of a federation that signs in at a user pool: the sign-in, and the answers to its challenges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..credentials import FederatedCredentials
from ..errors import ClearsFrames

if TYPE_CHECKING:
    from ..user_pool import Authenticator, Challenge, Device, UserPool, UserPoolTokens

Metadata = Mapping[str, str] | None


class UserPoolSignIn(ClearsFrames, ABC):
    """The members of a federation that has a user pool."""

    @abstractmethod
    def _federated(self, ask: Callable[[UserPool], UserPoolTokens | Challenge]) -> FederatedCredentials | Challenge:
        """Return credentials for the pool's tokens, or its challenge; a failure emits ``sign-in-failure``."""

    def sign_in(
        self,
        username: str,
        password: str | None = None,
        *,
        auth_flow: str | None = None,
        preferred_challenge: str | None = None,
        validation_data: Metadata = None,
        client_metadata: Metadata = None,
        device: Device | None = None,
    ) -> FederatedCredentials | Challenge:
        """Sign in to the user pool and exchange its token.

        Args:
            username: see `UserPool.sign_in`.
            password: see `UserPool.sign_in`.
            auth_flow: see `UserPool.sign_in`.
            preferred_challenge: see `UserPool.sign_in`.
            validation_data: see `UserPool.sign_in`.
            client_metadata: see `UserPool.sign_in`.
            device: see `UserPool.sign_in`.

        Returns:
            AWS credentials, or the challenge to answer with `confirm_sign_in`, `use_passkey`, `complete_new_password`,
                `send_custom_challenge_answer` or `answer_challenge`.

        Raises:
            ConfigurationError: there is no user pool, or an argument is wrong.
            SignInFailedError: the user pool refused.
            FederationRefusedError: the identity pool refused the user pool's token.
            TemporaryError: the same call may succeed later.
        """
        return self._federated(
            lambda pool: pool.sign_in(
                username,
                password,
                auth_flow=auth_flow,
                preferred_challenge=preferred_challenge,
                validation_data=validation_data,
                client_metadata=client_metadata,
                device=device,
            )
        )

    def federate(self, signed_in: UserPoolTokens | Challenge) -> FederatedCredentials | Challenge:
        """Exchange tokens that the user pool returned elsewhere, for example after a sign-up with automatic sign-in.

        Args:
            signed_in: `SignUp.signed_in`, the result of `UserPool.confirm_sign_up`, or tokens that the application
                stored.

        Returns:
            AWS credentials, renewed from now on with the refresh token; a challenge is returned unchanged.

        Raises:
            ConfigurationError: there is no user pool, or these are not tokens.
            FederationRefusedError: the identity pool refused the token.
            TemporaryError: the same call may succeed later.
        """
        return self._federated(lambda _: signed_in)

    def confirm_sign_in(
        self, challenge: Challenge, answer: str | Mapping[str, Any], *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer a challenge with a code, a choice, the password or a browser's passkey, and exchange the token.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            answer: see `UserPool.confirm_sign_in`.
            client_metadata: see `UserPool.confirm_sign_in`.

        Returns:
            AWS credentials, or the next challenge.

        Raises:
            CodeMismatchError: the code was wrong; the same challenge may be answered again.
            CognitoFederationError: the answer was refused in another way; see `sign_in`.
        """
        return self._federated(lambda pool: pool.confirm_sign_in(challenge, answer, client_metadata=client_metadata))

    def use_passkey(
        self, challenge: Challenge, authenticator: Authenticator | None = None, *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer WEB_AUTHN with a passkey at this machine, and exchange the token.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            authenticator: see `UserPool.use_passkey`.
            client_metadata: see `UserPool.use_passkey`.

        Returns:
            AWS credentials, or the next challenge.

        Raises:
            PasskeyRefusedError: no authenticator could use a passkey of the user, or the pool did not accept it.
            CognitoFederationError: the answer was refused in another way; see `sign_in`.
        """
        return self._federated(lambda pool: pool.use_passkey(challenge, authenticator, client_metadata=client_metadata))

    def complete_new_password(
        self,
        challenge: Challenge,
        new_password: str,
        attributes: Mapping[str, str] | None = None,
        *,
        client_metadata: Metadata = None,
    ) -> FederatedCredentials | Challenge:
        """Answer NEW_PASSWORD_REQUIRED, and exchange the token.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            new_password: see `UserPool.complete_new_password`.
            attributes: see `UserPool.complete_new_password`.
            client_metadata: see `UserPool.complete_new_password`.

        Returns:
            AWS credentials, or the next challenge.

        Raises:
            NewPasswordRefusedError: the password violates the pool's policy; the same challenge may be answered again.
            CognitoFederationError: the answer was refused in another way; see `sign_in`.
        """
        return self._federated(
            lambda pool: pool.complete_new_password(
                challenge, new_password, attributes, client_metadata=client_metadata
            )
        )

    def send_custom_challenge_answer(
        self, challenge: Challenge, answer: str, *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer a CUSTOM_CHALLENGE, and exchange the token.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            answer: see `UserPool.send_custom_challenge_answer`.
            client_metadata: see `UserPool.send_custom_challenge_answer`.

        Returns:
            AWS credentials, or the next challenge.

        Raises:
            CognitoFederationError: the answer was refused; see `sign_in`.
        """
        return self._federated(
            lambda pool: pool.send_custom_challenge_answer(challenge, answer, client_metadata=client_metadata)
        )

    def answer_challenge(
        self, challenge: Challenge, responses: Mapping[str, str], *, client_metadata: Metadata = None
    ) -> FederatedCredentials | Challenge:
        """Answer any challenge, and exchange the token.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            responses: see `UserPool.answer_challenge`.
            client_metadata: see `UserPool.answer_challenge`.

        Returns:
            AWS credentials, or the next challenge.

        Raises:
            CognitoFederationError: the answer was refused; see `sign_in`.
        """
        return self._federated(
            lambda pool: pool.answer_challenge(challenge, responses, client_metadata=client_metadata)
        )
