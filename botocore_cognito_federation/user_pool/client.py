"""`UserPool`: sign-in to a Cognito user pool and the account operations, without AWS credentials."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .accounts import AccountOperations, Metadata
from .api import Api, AppClient, ClientFactory, IdTokenVerifier, make_user_pool_client
from .auth import (
    SignIn,
    checked_flow,
    confirmation,
    expect,
    expect_any,
    new_password_responses,
    refresh,
    revoke,
    sign_out_everywhere,
)
from .models import (
    Challenge,
    Device,
    UserPoolTokens,
    checked_client_id,
    checked_client_secret,
    checked_endpoint_url,
    checked_issuer,
    checked_metadata,
    checked_password,
    checked_text,
    checked_totp_code,
    checked_user_pool_id,
    checked_username,
)
from .passkeys import PasskeyOperations
from .self_service import SelfService

if TYPE_CHECKING:
    from .._util.http import HttpClient
    from ..cache.base import Store
    from ..config.settings import Settings
    from ..oidc.discovery import DocumentCache


class UserPool(PasskeyOperations, SelfService, AccountOperations):
    """A user pool and one of its app clients. Nothing is contacted before the first operation; threads may share it.

    Args:
        user_pool_id: such as ``eu-west-1_AbCdEfGhI``; the region is its prefix.
        client_id: the app client's ID.
        client_secret: the app client's secret, if it has one.
        client_metadata: strings for the pool's Lambda triggers, used by each operation that is not given its own;
            ``{}`` at an operation sends none.
        endpoint_url: the cognito-idp endpoint, if it is not AWS's: https, or http to loopback.
        issuer: the issuer of the pool's ID tokens, if it is not the one that AWS gives the pool. ID tokens are verified
            with the keys that the issuer publishes; at an endpoint that is not AWS's, only if this is given.
        documents: caches the issuer's keys between tokens; by default for the lifetime of this object.
        session: a botocore session for the client's proxy, CA and endpoint settings; by default a new one.
        clock: returns seconds since the epoch.
        client_factory: makes the cognito-idp client; see `identity_pool.client.make_client`.
        random_bytes: a source suitable for keys, such as `os.urandom`.
        http: fetches the issuer's keys.

    Every operation raises:
        ConfigurationError: an argument or the pool's configuration is wrong; repeating the call cannot help.
        SignInFailedError: the pool refused; the subclasses `CodeMismatchError`, `UserNotConfirmedError` and
            `PasswordResetRequiredError` say what to do next.
        SignInRequiredError: the sign-in has ended; `RefreshTokenReusedError` if another process used the refresh token.
        TemporaryError: network failure, throttling, HTTP 5xx, or a truncated answer.
    """

    def __init__(
        self,
        user_pool_id: str,
        client_id: str,
        *,
        client_secret: str | None = None,
        client_metadata: Metadata = None,
        endpoint_url: str | None = None,
        issuer: str | None = None,
        documents: DocumentCache | None = None,
        session: Any = None,
        clock: Callable[[], float] = time.time,
        client_factory: ClientFactory = make_user_pool_client,
        random_bytes: Callable[[int], bytes] = os.urandom,
        http: HttpClient | None = None,
    ) -> None:
        app = AppClient(
            user_pool_id=checked_user_pool_id(user_pool_id, any_region=endpoint_url is not None),
            client_id=checked_client_id(client_id),
            client_secret=checked_client_secret(client_secret),
            endpoint_url=checked_endpoint_url(endpoint_url),
        )
        self._default_metadata = checked_metadata(client_metadata)
        self._clock = clock
        self._api = Api(app, session, client_factory)
        self._verify = IdTokenVerifier(self._api, clock, issuer=checked_issuer(issuer), http=http, documents=documents)
        self._sign_in = SignIn(self._api, clock, random_bytes, self._verify)

    def __repr__(self) -> str:
        app = self._api.app
        return f"UserPool(user_pool_id={app.user_pool_id!r}, client_id={app.client_id!r})"

    @property
    def user_pool_id(self) -> str:
        return self._api.app.user_pool_id

    def _metadata(self, client_metadata: Metadata) -> dict[str, str]:
        return self._default_metadata if client_metadata is None else checked_metadata(client_metadata)

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
    ) -> UserPoolTokens | Challenge:
        """Sign in to the user pool.

        Args:
            username: the name, or an alias such as the e-mail address if the pool has aliases.
            password: never sent under USER_SRP_AUTH; optional under CUSTOM_AUTH, where the pool's triggers ask the
                questions, and under USER_AUTH, where it is proved by SRP unless `preferred_challenge` is ``PASSWORD``.
            auth_flow: ``USER_SRP_AUTH`` (the default), ``USER_PASSWORD_AUTH`` (sends the password; RFC 9700 section 2.4
                advises against it), ``CUSTOM_AUTH``, or ``USER_AUTH``: the user chooses among the ways that the pool
                offers, and the answer is the challenge SELECT_CHALLENGE.
            preferred_challenge: begin with this one of ``PASSWORD_SRP``, ``PASSWORD``, ``EMAIL_OTP``, ``SMS_OTP`` and
                ``WEB_AUTHN``, under USER_AUTH. If the user does not have it, the answer is SELECT_CHALLENGE.
            validation_data: for the pre-authentication and user-migration triggers; reaches
                InitiateAuth.ClientMetadata. If it is empty, `client_metadata` is sent in that field.
            client_metadata: reaches RespondToAuthChallenge.ClientMetadata. Under USER_PASSWORD_AUTH without a challenge
                there is no such call, and the later triggers do not receive it.
            device: the `UserPoolTokens.device` of an earlier sign-in.

        Returns:
            The tokens, or the challenge to answer: see `confirm_sign_in`, `use_passkey`, `complete_new_password`,
                `send_custom_challenge_answer`, `set_up_totp`, and `answer_challenge` for any other.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        flow, preferred = checked_flow(auth_flow, password, preferred_challenge)
        metadata = self._metadata(client_metadata)
        return self._sign_in.start(
            checked_username(username),
            None if password is None else checked_password(password),
            auth_flow=flow,
            preferred_challenge=preferred,
            first_metadata=checked_metadata(validation_data, "validation_data") or metadata,
            metadata=metadata,
            device=device,
        )

    def confirm_sign_in(
        self, challenge: Challenge, answer: str | Mapping[str, Any], *, client_metadata: Metadata = None
    ) -> UserPoolTokens | Challenge:
        """Answer a challenge with a code, a choice, the password, or a browser's passkey.

        These are SMS_MFA, SOFTWARE_TOKEN_MFA, EMAIL_OTP, SMS_OTP, SELECT_CHALLENGE, SELECT_MFA_TYPE, PASSWORD,
        PASSWORD_SRP, WEB_AUTHN, and MFA_SETUP after `set_up_totp`.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            answer: the code; for a choice one of `Challenge.choices`; for PASSWORD and PASSWORD_SRP the password; for
                WEB_AUTHN what a browser made of `Challenge.credential_request_options` (``credential.toJSON()``).
            client_metadata: reaches RespondToAuthChallenge.ClientMetadata.

        Returns:
            The tokens, or the next challenge.

        Raises:
            CodeMismatchError: the code was wrong; the same challenge may be answered again.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        expect_any(challenge)
        metadata = self._metadata(client_metadata)
        if challenge.name == "MFA_SETUP":
            return self._sign_in.answer(self._verified(challenge, answer), {}, metadata)
        if challenge.name == "PASSWORD_SRP":
            return self._sign_in.answer(challenge, {}, metadata, password=checked_password(answer))
        return self._sign_in.answer(challenge, confirmation(challenge, answer), metadata)

    def _verified(self, challenge: Challenge, code: object) -> Challenge:
        if not challenge.totp_secret:
            raise ConfigurationError("No authenticator application is set up", remedy="Call set_up_totp first")
        request = {"Session": challenge.session, "UserCode": checked_totp_code(code)}
        answer = self._verify_totp(request)
        return replace(challenge, session=str(answer.get("Session") or challenge.session))

    def complete_new_password(
        self,
        challenge: Challenge,
        new_password: str,
        attributes: Mapping[str, str] | None = None,
        *,
        client_metadata: Metadata = None,
    ) -> UserPoolTokens | Challenge:
        """Answer NEW_PASSWORD_REQUIRED with a new password and the pool's `Challenge.required_attributes`.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            new_password: the password that the user chose.
            attributes: a value for each of the required attributes.
            client_metadata: reaches RespondToAuthChallenge.ClientMetadata.

        Returns:
            The tokens, or the next challenge.

        Raises:
            NewPasswordRefusedError: the password violates the pool's policy; the same challenge may be answered again.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        metadata = self._metadata(client_metadata)
        responses = new_password_responses(challenge, new_password, attributes)
        return self._sign_in.answer(challenge, responses, metadata)

    def send_custom_challenge_answer(
        self, challenge: Challenge, answer: str, *, client_metadata: Metadata = None
    ) -> UserPoolTokens | Challenge:
        """Answer a CUSTOM_CHALLENGE; `Challenge.parameters` holds the question of the pool's trigger.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            answer: the user's answer.
            client_metadata: reaches RespondToAuthChallenge.ClientMetadata.

        Returns:
            The tokens, or the next challenge.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        expect(challenge, "CUSTOM_CHALLENGE")
        responses = {"ANSWER": checked_text("answer", answer, 131072)}
        return self._sign_in.answer(challenge, responses, self._metadata(client_metadata))

    def answer_challenge(
        self, challenge: Challenge, responses: Mapping[str, str], *, client_metadata: Metadata = None
    ) -> UserPoolTokens | Challenge:
        """Answer any challenge with the API's own ChallengeResponses; user name, secret hash and device are added.

        Args:
            challenge: the challenge from `sign_in` or from the previous answer.
            responses: the ChallengeResponses, by the API's names.
            client_metadata: reaches RespondToAuthChallenge.ClientMetadata.

        Returns:
            The tokens, or the next challenge.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        expect_any(challenge)
        checked = checked_metadata(responses, "responses")
        return self._sign_in.answer(challenge, checked, self._metadata(client_metadata))

    def refresh(
        self,
        tokens: UserPoolTokens,
        *,
        client_metadata: Metadata = None,
        persist: Callable[[str], None] | None = None,
    ) -> UserPoolTokens:
        """Get new tokens with the refresh token in `tokens`; on a pool with rotation they hold a new refresh token.

        Only one process at a time may do this, and it must store the result before it uses it: a rotated token cannot
        be used again.

        Args:
            tokens: the tokens of the sign-in.
            client_metadata: reaches the ClientMetadata of the operation.
            persist: called with the refresh token to store before the rest of the answer is validated. If it raises,
                the refresh fails with that exception.

        Returns:
            The new tokens.

        Raises:
            RefreshTokenReusedError: another process was faster; read the stored tokens again.
            SignInRequiredError: the sign-in was revoked or has ended.
            TokenRefreshError: the pool refused in another way, or the answer belongs to another user.
            CognitoFederationError: the operation failed in another way; `UserPool` lists the classes.
        """
        return refresh(self._api, tokens, self._metadata(client_metadata), self._clock(), self._verify, persist)

    def revoke(self, tokens: UserPoolTokens) -> None:
        """Revoke this sign-in's refresh token and the access tokens issued with it (RevokeToken).

        An ID token already issued stays acceptable to an identity pool until it expires, unless the identity pool
        checks with the user pool (ServerSideTokenCheck).

        Args:
            tokens: the tokens of the sign-in.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        revoke(self._api, tokens)

    def sign_out(self, tokens: UserPoolTokens, *, everywhere: bool = False) -> None:
        """End this sign-in by `revoke`, or every sign-in of the user by GlobalSignOut.

        Args:
            tokens: the tokens of the sign-in.
            everywhere: end every sign-in of the user, on every device.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        if everywhere:
            sign_out_everywhere(self._api, tokens)
        else:
            revoke(self._api, tokens)


def user_pool_of(settings: Settings, store: Store, environ: Mapping[str, str] | None = None) -> UserPool:
    """Make the user pool for the password sign-ins of a configuration, without contacting it.

    Raises:
        ConfigurationError: the client ID is missing, or the client secret is not available.
    """
    from botocore.session import Session

    from .._util.http import HttpClient
    from ..oidc.client import client_secret
    from ..oidc.discovery import StoredDocuments

    variables = os.environ if environ is None else environ
    if settings.client_id is None or settings.user_pool_id is None:
        raise ConfigurationError(
            "Signing in to a user pool needs its ID and an app client",
            remedy="Add cognito_user_pool_id and cognito_client_id",
        )
    provider = settings.provider
    return UserPool(
        settings.user_pool_id,
        settings.client_id,
        client_secret=client_secret(settings, store, variables),
        issuer=provider.issuer if provider is not None and provider.issuer_is_exact else None,
        documents=StoredDocuments(store),
        session=Session(profile=settings.profile),
        http=HttpClient(ca_bundle=settings.ca_bundle),
    )
