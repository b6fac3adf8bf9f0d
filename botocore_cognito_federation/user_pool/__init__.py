"""Cognito user pools: SRP sign-in, challenges, MFA, refresh and the account operations.

This package imports botocore, so only code that signs in to a user pool imports it.
"""

from __future__ import annotations

from .client import UserPool, user_pool_of
from .errors import (
    ChallengeOverError,
    CodeMismatchError,
    FlowNotEnabledError,
    NewPasswordRefusedError,
    PasskeyRefusedError,
    PasswordResetRequiredError,
    RefreshTokenReusedError,
    UsernameExistsError,
    UserNotConfirmedError,
    WrongPasswordError,
)
from .models import AutoSignIn, Challenge, CodeDelivery, Device, SignUp, UserPoolTokens, login_key
from .passkeys import Authenticator, Passkey, SecurityKey
from .self_service import KnownDevice, MfaPreference, TotpSetUp

__all__ = [
    "Authenticator",
    "AutoSignIn",
    "Challenge",
    "ChallengeOverError",
    "CodeDelivery",
    "CodeMismatchError",
    "Device",
    "FlowNotEnabledError",
    "KnownDevice",
    "MfaPreference",
    "NewPasswordRefusedError",
    "Passkey",
    "PasskeyRefusedError",
    "PasswordResetRequiredError",
    "RefreshTokenReusedError",
    "SecurityKey",
    "SignUp",
    "TotpSetUp",
    "UserNotConfirmedError",
    "UserPool",
    "UserPoolTokens",
    "UsernameExistsError",
    "WrongPasswordError",
    "login_key",
    "user_pool_of",
]
