"""The catalogue of a user pool's refusals: which error each becomes, in which words, and with which remedy.

Errors that callers may want to tell apart have a class here, a subclass of one of the package's own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..errors import (
    CognitoFederationError,
    ConfigurationError,
    SignInFailedError,
    SignInRequiredError,
    TemporaryError,
    TokenRefreshError,
)
from ..messages import masked, printable


class RefreshTokenReusedError(SignInRequiredError):
    """The refresh token was already used: another process rotated it.

    A program that stores the tokens must read its store again before it asks the user to sign in.
    """


class CodeMismatchError(SignInFailedError):
    """The code was wrong; the same challenge may be answered again."""


class WrongPasswordError(SignInFailedError):
    """The user name or the password is wrong; the pool does not say which."""


class ChallengeOverError(SignInFailedError):
    """The challenge can no longer be answered: the sign-in has to begin again."""


class PasskeyRefusedError(SignInFailedError):
    """The user pool did not accept the passkey, or no authenticator could make or use one."""


class NewPasswordRefusedError(SignInFailedError):
    """The new password violates the pool's policy; the same challenge may be answered with another one."""


class FlowNotEnabledError(ConfigurationError):
    """The app client does not allow this flow; it may allow another one."""


class UserNotConfirmedError(SignInFailedError):
    """The account needs its confirmation code: call `UserPool.confirm_sign_up`."""


class UsernameExistsError(SignInFailedError):
    """A sign-up names an account that exists, confirmed or not."""


class PasswordResetRequiredError(SignInFailedError):
    """The user must set a new password: call `UserPool.forgot_password`, then `forgot_password_submit`."""


@dataclass(frozen=True)
class Refusal:
    """An error answer of the service, unchanged."""

    operation: str
    code: str
    message: str
    status: int


@dataclass(frozen=True)
class Rule:
    """One line of the table; empty `operations` match any operation, an empty `part` any message."""

    code: str
    part: str
    error: type[CognitoFederationError]
    what: str
    remedy: str = ""
    quote: bool = False
    operations: tuple[str, ...] = ()


REFRESH = ("GetTokensFromRefreshToken", "InitiateAuth:REFRESH_TOKEN_AUTH")
_AGAIN = "Sign in again"
_RESTART = "Begin the sign-in again; a session of the user pool is valid for 3 to 15 minutes and takes one answer"
_SECRET = "Pass the app client's client_secret"
_CLIENT = "Check the app client of the user pool"
_ENABLE = (
    "Enable it (ALLOW_USER_SRP_AUTH, ALLOW_USER_PASSWORD_AUTH, ALLOW_CUSTOM_AUTH, ALLOW_USER_AUTH), "
    "or choose another auth_flow"
)
_TRIGGER = "Check the user pool's Lambda triggers and their logs"
_ENDPOINT = "Check endpoint_url; an emulator may lack the operation"
_LATER = "Try again in a little while"

PASSKEY = ("RespondToAuthChallenge:WEB_AUTHN",)
_AT_SIGN_IN = ("InitiateAuth", "RespondToAuthChallenge")
_OUTER_BLANKS = "it must not begin or end with white space, nor be a single character"

_DENIED = "NotAuthorizedException"
_PREFERENCE = ("SetUserMFAPreference",)

RULES: tuple[Rule, ...] = (
    # NotAuthorizedException is one code for many causes; its text tells them apart.
    Rule(
        _DENIED,
        "incorrect username or password",
        WrongPasswordError,
        "The current password is wrong",
        "Enter it again",
        operations=("ChangePassword",),
    ),
    Rule(
        _DENIED,
        "cannot be reset in the current state",
        SignInFailedError,
        "The password of this account cannot be reset yet",
        "Confirm the account, or sign in with the temporary password first",
    ),
    Rule(
        _DENIED,
        "unauthorized attribute",
        ConfigurationError,
        "The app client may not write one of these attributes",
        "Allow the app client to write it (WriteAttributes), or leave it out",
    ),
    Rule(
        _DENIED,
        "required scopes",
        ConfigurationError,
        "The access token is not for operations on the account",
        "Request the scope aws.cognito.signin.user.admin, which the app client must allow, and sign in again",
    ),
    Rule(
        _DENIED,
        "incorrect username or password",
        PasskeyRefusedError,
        "The user pool did not accept the passkey",
        "Choose another way to sign in, and register the passkey again",
        operations=PASSKEY,
    ),
    Rule(_DENIED, "incorrect username or password", WrongPasswordError, "The user name or the password is wrong"),
    Rule(
        _DENIED,
        "password attempts exceeded",
        SignInFailedError,
        "The user pool has locked this user after too many wrong passwords",
        "Wait: each further failure doubles the lock, up to about 15 minutes",
    ),
    Rule(
        _DENIED,
        "temporary password has expired",
        SignInFailedError,
        "The temporary password has expired",
        "Ask the administrator of the user pool for a new one",
    ),
    Rule(
        _DENIED,
        "user is disabled",
        SignInFailedError,
        "This user is disabled in the user pool",
        "Ask the administrator of the user pool",
    ),
    Rule(
        _DENIED, "refresh token has expired", SignInRequiredError, "The user pool's refresh token has expired", _AGAIN
    ),
    Rule(_DENIED, "refresh token has been revoked", SignInRequiredError, "The sign-in was revoked", _AGAIN),
    Rule(_DENIED, "refresh token reuse", RefreshTokenReusedError, "The refresh token was already used", _AGAIN),
    Rule(_DENIED, "invalidated by rotation", RefreshTokenReusedError, "The refresh token was already used", _AGAIN),
    Rule(
        _DENIED,
        "invalid refresh token",
        SignInRequiredError,
        "The user pool does not accept the refresh token",
        "Sign in again; on a pool that remembers devices, store the device with the tokens",
    ),
    Rule(
        _DENIED,
        "access token has expired",
        SignInRequiredError,
        "The access token has expired",
        "Refresh the tokens, or sign in again",
    ),
    Rule(_DENIED, "access token has been revoked", SignInRequiredError, "The sign-in was revoked", _AGAIN),
    Rule(
        _DENIED,
        "invalid access token",
        SignInRequiredError,
        "The user pool does not accept the access token",
        "Refresh the tokens, or sign in again",
    ),
    Rule(
        _DENIED, "different client", ConfigurationError, "The refresh token is another app client's", "Check client_id"
    ),
    Rule(
        _DENIED,
        "has been deleted",
        SignInRequiredError,
        "The user was deleted from the user pool",
        "Ask for an account",
    ),
    Rule(_DENIED, "session has expired", ChallengeOverError, "The challenge was answered too late", _RESTART),
    Rule(_DENIED, "session is expired", ChallengeOverError, "The challenge was answered too late", _RESTART),
    Rule(_DENIED, "session can only be used once", ChallengeOverError, "This challenge was answered before", _RESTART),
    Rule(
        _DENIED, "invalid session", ChallengeOverError, "The sign-in was not accepted, or its session is over", _RESTART
    ),
    Rule(_DENIED, "unable to verify secret hash", ConfigurationError, "The app client's secret is wrong", _SECRET),
    Rule(_DENIED, "secret_hash was not received", ConfigurationError, "This app client has a secret", _SECRET),
    Rule(_DENIED, "client secret", ConfigurationError, "The app client's secret is missing or wrong", _SECRET),
    Rule(
        _DENIED,
        "signup is not permitted",
        ConfigurationError,
        "Users cannot sign up by themselves in this user pool",
        "Ask the administrator of the user pool for an account",
    ),
    Rule(_DENIED, "cannot be confirmed", SignInFailedError, "This account needs no confirmation", "Sign in"),
    Rule(_DENIED, "", TokenRefreshError, "The user pool refused the refresh", quote=True, operations=REFRESH),
    Rule(_DENIED, "", SignInFailedError, "The user pool refused", quote=True),
    # The refresh token and the codes.
    Rule(
        "RefreshTokenReuseException",
        "",
        RefreshTokenReusedError,
        "The refresh token was already used, perhaps by another of your processes",
        _AGAIN,
    ),
    Rule(
        "CodeMismatchException",
        "",
        CodeMismatchError,
        "The code is wrong",
        "Enter it again, or ask for a new one",
        operations=("ConfirmSignUp", "ConfirmForgotPassword", "VerifyUserAttribute"),
    ),
    Rule("CodeMismatchException", "", CodeMismatchError, "The code is wrong", "Answer the same challenge again"),
    Rule(
        "EnableSoftwareTokenMFAException",
        "",
        CodeMismatchError,
        "The authenticator application's code is wrong",
        "Enter the next code it shows",
    ),
    Rule(
        "ExpiredCodeException",
        "already been used",
        CodeMismatchError,
        "The authenticator application's code was used before",
        "Wait for the next code that it shows",
    ),
    Rule(
        "ExpiredCodeException",
        "",
        ChallengeOverError,
        "The code has expired",
        _RESTART,
        operations=("RespondToAuthChallenge", "VerifySoftwareToken"),
    ),
    Rule("ExpiredCodeException", "", SignInFailedError, "The code has expired", "Ask for a new one"),
    Rule(
        "TooManyFailedAttemptsException",
        "",
        SignInFailedError,
        "Too many wrong codes",
        "Wait a while, then ask for a new one",
    ),
    Rule(
        "MFAMethodNotFoundException",
        "",
        SignInFailedError,
        "The user has no such second factor",
        "Choose another, or ask the administrator of the user pool",
    ),
    Rule(
        "SoftwareTokenMFANotFoundException",
        "",
        SignInFailedError,
        "No authenticator application is set up",
        "Call set_up_totp first, or enable TOTP in the user pool",
    ),
    # The account.
    Rule(
        "PasswordResetRequiredException",
        "",
        PasswordResetRequiredError,
        "A new password must be set",
        "Call forgot_password, then forgot_password_submit",
    ),
    Rule(
        "UserNotConfirmedException",
        "",
        UserNotConfirmedError,
        "The account is not confirmed",
        "Call confirm_sign_up with the code that was sent; resend_sign_up sends another",
    ),
    Rule("UserNotFoundException", "", SignInFailedError, "The user pool knows no such user"),
    Rule(
        "UsernameExistsException",
        "",
        UsernameExistsError,
        "An account of this name exists",
        "Sign in, call resend_sign_up if it was never confirmed, or choose another name",
    ),
    Rule(
        "AliasExistsException", "", SignInFailedError, "The e-mail address or phone number belongs to another account"
    ),
    Rule(
        "InvalidPasswordException",
        "",
        NewPasswordRefusedError,
        "The new password violates the user pool's policy",
        quote=True,
    ),
    Rule(
        "PasswordHistoryPolicyViolationException",
        "",
        NewPasswordRefusedError,
        "The new password was used before",
        "Choose another",
    ),
    # The triggers.
    Rule(
        "UserLambdaValidationException", "", SignInFailedError, "A Lambda trigger of the user pool refused", quote=True
    ),
    Rule(
        "UnexpectedLambdaException", "", SignInFailedError, "A Lambda trigger of the user pool failed", _TRIGGER, True
    ),
    Rule(
        "InvalidLambdaResponseException",
        "",
        SignInFailedError,
        "A Lambda trigger of the user pool gave no valid answer",
        _TRIGGER,
        True,
    ),
    # The pool's and the client's settings.
    Rule(
        "InvalidParameterException",
        "flow not enabled",
        FlowNotEnabledError,
        "The app client does not allow this way to sign in",
        _ENABLE,
    ),
    Rule(
        "InvalidParameterException",
        "not enabled for the client",
        FlowNotEnabledError,
        "The app client does not allow this way to sign in",
        _ENABLE,
    ),
    Rule(
        "InvalidParameterException",
        "not configured for secret",
        ConfigurationError,
        "This app client has no secret",
        "Leave client_secret out",
    ),
    Rule(
        "InvalidParameterException",
        "already confirmed",
        SignInFailedError,
        "This account needs no confirmation",
        "Sign in",
    ),
    Rule(
        "InvalidParameterException",
        "previouspassword' failed to satisfy constraint",
        WrongPasswordError,
        "The current password is wrong",
        "Enter it again",
    ),
    Rule(
        "InvalidParameterException",
        "username cannot be of email format",
        SignInFailedError,
        "A user name of this user pool is no e-mail address",
        "Choose another name; the address is an attribute, and signs in too once it is verified",
    ),
    Rule(
        "InvalidParameterException",
        "username should be",
        SignInFailedError,
        "The user name is not of the kind that this user pool takes",
        quote=True,
    ),
    Rule(
        "InvalidParameterException",
        "invalid phone number format",
        SignInFailedError,
        "The phone number is not one",
        "Write it with the country code, such as +15555550100",
    ),
    Rule(
        "InvalidParameterException",
        "invalid email address format",
        SignInFailedError,
        "The e-mail address is not one",
        "Correct it",
    ),
    Rule(
        "InvalidParameterException",
        "cannot reset password",
        SignInFailedError,
        "The account has no verified e-mail address or phone number that a code could be sent to",
        "Ask the administrator of the user pool",
    ),
    Rule(
        "InvalidParameterException",
        "has not verified software token",
        SignInFailedError,
        "No authenticator application is set up",
        "Call set_up_totp, then verify_totp_setup",
        operations=_PREFERENCE,
    ),
    Rule(
        "InvalidParameterException",
        "does not have delivery config",
        SignInFailedError,
        "The account has no verified address for codes of this kind",
        "Call verify_user_attribute, then verify_user_attribute_submit",
        operations=_PREFERENCE,
    ),
    Rule(
        "InvalidParameterException",
        "at 'password' failed to satisfy constraint",
        WrongPasswordError,
        "The user name or the password is wrong",
        operations=_AT_SIGN_IN,
    ),
    Rule(
        "InvalidParameterException",
        "password' failed to satisfy constraint",
        NewPasswordRefusedError,
        f"The user pool takes no such password: {_OUTER_BLANKS}",
        "Choose another",
    ),
    Rule("InvalidParameterException", "", ConfigurationError, "The user pool did not accept a parameter", quote=True),
    Rule(
        "ResourceNotFoundException",
        "device does not exist",
        SignInFailedError,
        "The user has no such device",
        "Take a key from fetch_devices",
    ),
    Rule(
        "ResourceNotFoundException",
        "",
        SignInFailedError,
        "The user has no such passkey",
        "list_passkeys has the IDs of the user's passkeys",
        operations=("DeleteWebAuthnCredential",),
    ),
    Rule(
        "ResourceNotFoundException",
        "",
        ConfigurationError,
        "The user pool or its app client does not exist",
        "Check user_pool_id, whose prefix is the region, and client_id",
    ),
    Rule(
        "InvalidUserPoolConfigurationException",
        "",
        ConfigurationError,
        "The user pool is not set up for this",
        quote=True,
    ),
    Rule(
        "InvalidSmsRoleAccessPolicyException",
        "",
        ConfigurationError,
        "The user pool may not send SMS",
        "Check the pool's SMS role",
    ),
    Rule(
        "InvalidSmsRoleTrustRelationshipException",
        "",
        ConfigurationError,
        "The user pool may not send SMS",
        "Check the trust policy of the pool's SMS role",
    ),
    Rule(
        "InvalidEmailRoleAccessPolicyException",
        "",
        ConfigurationError,
        "The user pool may not send e-mail",
        "Check the pool's e-mail settings in SES",
    ),
    Rule(
        "CodeDeliveryFailureException",
        "",
        SignInFailedError,
        "The code could not be sent",
        "Check the address and the pool's message settings",
    ),
    Rule(
        "FeatureUnavailableInTierException",
        "",
        ConfigurationError,
        "The user pool's feature plan does not include this",
        "Choice-based sign-in and passkeys need the plan Essentials or Plus; or choose another auth_flow",
    ),
    Rule("UnsupportedTokenTypeException", "", ConfigurationError, "Only a refresh token can be revoked"),
    Rule(
        "UnsupportedOperationException", "", ConfigurationError, "The app client does not support this", _CLIENT, True
    ),
    Rule("UnauthorizedException", "", ConfigurationError, "The app client may not do this", _CLIENT),
    Rule(
        "OperationNotEnabledException",
        "",
        ConfigurationError,
        "The user pool's replica in this region cannot do this",
        "Use the user pool of the primary region",
    ),
    Rule(
        "ForbiddenException",
        "",
        SignInFailedError,
        "The web ACL (WAF) of the user pool refused the request",
        "Ask its administrator, or try from another network",
    ),
    Rule("UserPoolAddOnNotEnabledException", "", ConfigurationError, "The user pool lacks an add-on for this"),
    # Passkeys.
    Rule(
        "WebAuthnNotEnabledException",
        "",
        ConfigurationError,
        "The user pool does not allow passkeys",
        "Add WEB_AUTHN to AllowedFirstAuthFactors in the SignInPolicy of the user pool",
    ),
    Rule(
        "WebAuthnConfigurationMissingException",
        "",
        ConfigurationError,
        "The user pool has no relying party ID for passkeys",
        "Set RelyingPartyId in the WebAuthnConfiguration of the user pool, or give it a domain",
    ),
    Rule(
        "WebAuthnChallengeNotFoundException",
        "",
        ChallengeOverError,
        "The registration of the passkey was completed before, or too late",
        "Register the passkey again",
    ),
    Rule(
        "WebAuthnClientMismatchException",
        "",
        ConfigurationError,
        "The registration of the passkey was begun at another app client",
        "Begin and complete it with the tokens of one sign-in",
    ),
    Rule(
        "WebAuthnOriginNotAllowedException",
        "",
        ConfigurationError,
        "The passkey was made on a page outside the user pool's relying party",
        "Make it on a page of the relying party ID; for a security key, check its origin",
    ),
    Rule(
        "WebAuthnRelyingPartyMismatchException",
        "",
        ConfigurationError,
        "The passkey belongs to another relying party",
        "Make it with the options that the user pool returned",
    ),
    Rule(
        "WebAuthnCredentialNotSupportedException",
        "",
        PasskeyRefusedError,
        "The user pool does not support this passkey",
        "Use another authenticator, one with a PIN or a fingerprint",
    ),
    # Errors that pass by themselves.
    Rule("TooManyRequestsException", "", TemporaryError, "The user pool is throttling", _LATER),
    Rule(
        "LimitExceededException",
        "attempt limit",
        TemporaryError,
        "Too many attempts for this account",
        "Wait; the limit of the user pool may last for an hour",
    ),
    Rule("LimitExceededException", "", TemporaryError, "A limit of the user pool is reached", _LATER, True),
    Rule("InternalErrorException", "", TemporaryError, "The user pool had an internal error", _LATER),
    Rule("ConcurrentModificationException", "", TemporaryError, "The user was changed at the same time", _LATER),
)

_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "TooManyRequests", "SlowDown"}
)
_UNKNOWN_OPERATION = frozenset(
    {
        "UnknownOperationException",
        "UnknownOperation",
        "InvalidAction",
        "NotImplemented",
        "NotImplementedException",
        "Unsupported",
    }
)


def is_unknown_operation(refusal: Refusal) -> bool:
    """Return whether the endpoint lacks the operation (an emulator, or a service older than the operation)."""
    return refusal.code in _UNKNOWN_OPERATION or refusal.status in (404, 501)


def explain(refusal: Refusal, secrets: Collection[str] = ()) -> CognitoFederationError:
    """Return the error to raise for a refusal.

    Args:
        secrets: strings of the request that must not be in the error even if the service quotes them.
    """
    text = refusal.message.replace("\u2019", "'").lower()
    for rule in RULES:
        if (
            rule.code == refusal.code
            and rule.part in text
            and refusal.operation in (rule.operations or (refusal.operation,))
        ):
            said = _quoted(refusal.message, secrets) if rule.quote else ""
            return rule.error(f"{rule.what}: {said}" if said else rule.what, remedy=rule.remedy)
    operation = refusal.operation.partition(":")[0]
    if refusal.status >= 500 or refusal.status == 429 or refusal.code in _THROTTLED:
        return TemporaryError(f"{operation}: the user pool answered HTTP {refusal.status}", remedy=_LATER)
    if refusal.code in _UNKNOWN_OPERATION:
        return ConfigurationError(f"The endpoint of the user pool does not know {operation}", remedy=_ENDPOINT)
    said = _quoted(f"{refusal.code}: {refusal.message}", secrets)
    if refusal.operation in REFRESH:
        return TokenRefreshError(f"The user pool refused the refresh: {said}")
    return SignInFailedError(f"{operation} was refused by the user pool: {said}")


def _quoted(message: str, secrets: Collection[str]) -> str:
    """Return the service's message on one line, shortened, without the request's secrets."""
    return printable(masked(message, secrets), 300).rstrip(".")
