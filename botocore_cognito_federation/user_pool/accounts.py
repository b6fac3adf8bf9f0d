"""The account operations: sign-up, passwords and attributes, under Amplify's names in Python's spelling.

The API decides which request field `client_metadata` and `validation_data` reach. An operation without a ClientMetadata
field refuses the argument instead of dropping it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ClearsFrames, ConfigurationError
from .api import Api, delivery, member
from .auth import SignIn
from .errors import ChallengeOverError
from .models import (
    AutoSignIn,
    Challenge,
    CodeDelivery,
    SignUp,
    UserPoolTokens,
    checked_attribute_name,
    checked_attributes,
    checked_code,
    checked_metadata,
    checked_password,
    checked_token,
    checked_username,
)

Metadata = Mapping[str, str] | None
Attributes = Mapping[str, str] | Sequence[Mapping[str, str]] | None


def _no_metadata(client_metadata: Metadata, operation: str) -> None:
    if client_metadata is not None:
        raise ConfigurationError(
            f"{operation} has no ClientMetadata: no Lambda trigger would see it", remedy="Leave client_metadata out"
        )


def access_token(tokens: UserPoolTokens | str) -> str:
    """Return the access token of a sign-in, or the access token itself."""
    value = tokens.access_token if isinstance(tokens, UserPoolTokens) else tokens
    if not isinstance(value, str):
        raise ConfigurationError(
            f"A {type(value).__name__} is not a sign-in", remedy="Pass the tokens of a sign-in, or their access token"
        )
    return checked_token(value, "access_token")


class AccountOperations(ClearsFrames, ABC):
    """The operations on a user's own account other than signing in; base class of `UserPool`."""

    _api: Api
    _sign_in: SignIn

    @abstractmethod
    def sign_in(
        self,
        username: str,
        password: str | None = None,
        *,
        auth_flow: str | None = None,
        validation_data: Metadata = None,
        client_metadata: Metadata = None,
    ) -> UserPoolTokens | Challenge:
        """Sign in; see `UserPool.sign_in`.

        Args:
            username: the user name or an alias.
            password: the user's password.
            auth_flow: the way to sign in.
            validation_data: for the pre-authentication trigger.
            client_metadata: for the pool's Lambda triggers.

        Raises:
            CognitoFederationError: the user pool refused the sign-in.
        """

    @abstractmethod
    def _metadata(self, client_metadata: Metadata) -> dict[str, str]:
        """Return the metadata that an operation sends: its own, or else the pool-wide one."""

    def _of_user(self, username: str, client_metadata: Metadata) -> dict[str, Any]:
        """The members that the operations without a token have in common."""
        name = checked_username(username)
        metadata = self._metadata(client_metadata)
        request: dict[str, Any] = {
            "ClientId": self._api.app.client_id,
            "Username": name,
            **self._api.app.hashed(name, "SecretHash"),
        }
        return {**request, "ClientMetadata": metadata} if metadata else request

    def sign_up(
        self,
        username: str,
        password: str | None = None,
        attributes: Attributes = None,
        *,
        validation_data: Attributes = None,
        client_metadata: Metadata = None,
        auto_sign_in: bool | AutoSignIn = False,
    ) -> SignUp:
        """Create an account (SignUp).

        Args:
            username: the name of the new user.
            password: the password of the new user; the pool's policy decides whether it is good enough. None for a user
                without one, in a pool whose users may sign in with a code.
            attributes: user attributes, such as ``{"email": "ada@example.com"}``.
            validation_data: for the pre sign-up trigger only; reaches SignUp.ValidationData as Name and Value.
            client_metadata: reaches SignUp.ClientMetadata.
            auto_sign_in: sign in as soon as the account is confirmed, either in this call or in `confirm_sign_up`,
                which then takes the result of this call.

        Returns:
            What happened. The result holds the password (never shown in its repr) only while the automatic sign-in is
                still to be made.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        request = self._of_user(username, client_metadata)
        if password is not None:
            request["Password"] = checked_password(password)
        for key, value in (("UserAttributes", attributes), ("ValidationData", validation_data)):
            listed = checked_attributes(value, "validation_data" if key == "ValidationData" else "attributes")
            if listed:
                request[key] = listed
        automatic = AutoSignIn() if auto_sign_in is True else auto_sign_in or None
        if automatic:  # Validated before an account exists.
            checked_metadata(automatic.validation_data, "auto_sign_in.validation_data")
            checked_metadata(automatic.client_metadata, "auto_sign_in.client_metadata")
        answer = self._api.call("SignUp", request)
        sub = str(member(answer, "UserSub", "SignUp"))
        sent = delivery(answer.get("CodeDeliveryDetails"))
        if automatic is None:
            return SignUp(username, sub, bool(answer.get("UserConfirmed")), sent)
        if answer.get("UserConfirmed"):
            return SignUp(username, sub, True, sent, self._automatic(username, password, automatic))
        session = str(answer.get("Session") or "")
        return SignUp(username, sub, False, sent, None, automatic, password or "", session)

    def _automatic(self, username: str, password: str | None, automatic: AutoSignIn) -> UserPoolTokens | Challenge:
        return self.sign_in(
            username,
            password or None,
            auth_flow=None if password else "USER_AUTH",
            validation_data=automatic.validation_data,
            client_metadata=automatic.client_metadata,
        )

    def confirm_sign_up(
        self,
        user: str | SignUp,
        code: str,
        *,
        client_metadata: Metadata = None,
        force_alias_creation: bool = False,
    ) -> UserPoolTokens | Challenge | None:
        """Confirm a new account (ConfirmSignUp), and make the automatic sign-in that `sign_up` was asked for.

        Args:
            user: the result of `sign_up`, or a user name.
            code: the confirmation code that the user received.
            client_metadata: reaches ConfirmSignUp.ClientMetadata.
            force_alias_creation: move an e-mail address or phone number that is another user's alias to this user.

        Returns:
            The result of the automatic sign-in, or None if no automatic sign-in was asked for.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        name = user.username if isinstance(user, SignUp) else user
        request = {**self._of_user(name, client_metadata), "ConfirmationCode": checked_code(code)}
        if force_alias_creation:
            request["ForceAliasCreation"] = True
        if not (isinstance(user, SignUp) and user.auto_sign_in):
            self._api.call("ConfirmSignUp", request)
            return None
        session = self._confirmed(request, user.session)
        if session:
            return self._sign_in.confirmed(name, session, self._metadata(user.auto_sign_in.client_metadata))
        return self._automatic(name, user.password, user.auto_sign_in)

    def _confirmed(self, request: Mapping[str, Any], session: str) -> str:
        """Confirm an account; return the Session that signs it in, empty if `session` is or was no longer good."""
        if session:
            try:
                answer = self._api.call("ConfirmSignUp", {**request, "Session": session})
                return str(answer.get("Session") or "")
            except ChallengeOverError:
                pass  # the code is good for longer than the session
        self._api.call("ConfirmSignUp", request)
        return ""

    def resend_sign_up(self, username: str, *, client_metadata: Metadata = None) -> CodeDelivery | None:
        """Send the confirmation code of a new account again (ResendConfirmationCode).

        Args:
            username: the name of the new user.
            client_metadata: reaches ResendConfirmationCode.ClientMetadata.

        Returns:
            Where the code was sent, if the pool says so.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        answer = self._api.call("ResendConfirmationCode", self._of_user(username, client_metadata))
        return delivery(answer.get("CodeDeliveryDetails"))

    def forgot_password(self, username: str, *, client_metadata: Metadata = None) -> CodeDelivery | None:
        """Send a code with which the user can set a new password (ForgotPassword).

        Args:
            username: the user name or an alias.
            client_metadata: reaches ForgotPassword.ClientMetadata.

        Returns:
            Where the code was sent, if the pool says so.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        answer = self._api.call("ForgotPassword", self._of_user(username, client_metadata))
        return delivery(answer.get("CodeDeliveryDetails"))

    def forgot_password_submit(
        self, username: str, code: str, new_password: str, *, client_metadata: Metadata = None
    ) -> None:
        """Set a new password with the code from `forgot_password` (ConfirmForgotPassword).

        Args:
            username: the user name or an alias.
            code: the code that the user received.
            new_password: the new password.
            client_metadata: reaches ConfirmForgotPassword.ClientMetadata.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        request = self._of_user(username, client_metadata)
        request["ConfirmationCode"] = checked_code(code)
        request["Password"] = checked_password(new_password, "new_password")
        self._api.call("ConfirmForgotPassword", request)

    def change_password(
        self,
        tokens: UserPoolTokens | str,
        old_password: str,
        new_password: str,
        *,
        client_metadata: Metadata = None,
    ) -> None:
        """Change the password of a signed-in user (ChangePassword).

        Args:
            tokens: the sign-in, or its access token.
            old_password: the current password.
            new_password: the new password.
            client_metadata: not accepted by this operation; the pool-wide default is not sent.

        Raises:
            ConfigurationError: `client_metadata` was given.
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        _no_metadata(client_metadata, "ChangePassword")
        request = {
            "AccessToken": access_token(tokens),
            "PreviousPassword": checked_password(old_password, "old_password"),
            "ProposedPassword": checked_password(new_password, "new_password"),
        }
        self._api.call("ChangePassword", request)

    def update_user_attributes(
        self, tokens: UserPoolTokens | str, attributes: Attributes, *, client_metadata: Metadata = None
    ) -> tuple[CodeDelivery, ...]:
        """Change attributes of a signed-in user (UpdateUserAttributes).

        Args:
            tokens: the sign-in, or its access token.
            attributes: the attributes to change, such as ``{"email": "ada@example.com"}``.
            client_metadata: reaches UpdateUserAttributes.ClientMetadata.

        Returns:
            Where codes were sent for the attributes that need verification.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        listed = checked_attributes(attributes)
        if not listed:
            raise ConfigurationError("There is no attribute to update")
        request: dict[str, Any] = {"AccessToken": access_token(tokens), "UserAttributes": listed}
        answer = self._api.call("UpdateUserAttributes", self._with(request, client_metadata))
        sent = (delivery(details) for details in answer.get("CodeDeliveryDetailsList") or [])
        return tuple(details for details in sent if details)

    def verify_user_attribute(
        self, tokens: UserPoolTokens | str, attribute: str, *, client_metadata: Metadata = None
    ) -> CodeDelivery | None:
        """Send a code that verifies an attribute (GetUserAttributeVerificationCode).

        Args:
            tokens: the sign-in, or its access token.
            attribute: the name of the attribute, such as ``email``.
            client_metadata: reaches GetUserAttributeVerificationCode.ClientMetadata.

        Returns:
            Where the code was sent, if the pool says so.

        Raises:
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        request = {"AccessToken": access_token(tokens), "AttributeName": checked_attribute_name(attribute)}
        answer = self._api.call("GetUserAttributeVerificationCode", self._with(request, client_metadata))
        return delivery(answer.get("CodeDeliveryDetails"))

    def verify_user_attribute_submit(
        self, tokens: UserPoolTokens | str, attribute: str, code: str, *, client_metadata: Metadata = None
    ) -> None:
        """Verify an attribute with the code from `verify_user_attribute` (VerifyUserAttribute).

        Args:
            tokens: the sign-in, or its access token.
            attribute: the name of the attribute, such as ``email``.
            code: the code that the user received.
            client_metadata: not accepted by this operation; the pool-wide default is not sent.

        Raises:
            ConfigurationError: `client_metadata` was given.
            CognitoFederationError: the operation failed; `UserPool` lists the classes.
        """
        _no_metadata(client_metadata, "VerifyUserAttribute")
        request = {
            "AccessToken": access_token(tokens),
            "AttributeName": checked_attribute_name(attribute),
            "Code": checked_code(code),
        }
        self._api.call("VerifyUserAttribute", request)

    def _with(self, request: dict[str, Any], client_metadata: Metadata) -> dict[str, Any]:
        metadata = self._metadata(client_metadata)
        return {**request, "ClientMetadata": metadata} if metadata else request
