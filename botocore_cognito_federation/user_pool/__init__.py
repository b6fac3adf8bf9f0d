"""Cognito user pools: SRP sign-in, challenges, MFA, refresh and the account operations.

Imported only by what signs in to a user pool: it imports botocore.
"""

from __future__ import annotations

from .diagnosis import (
    CodeMismatchError,
    PasswordResetRequiredError,
    RefreshTokenReusedError,
    UserNotConfirmedError,
)
from .model import AutoSignIn, Challenge, CodeDelivery, Device, SignUp, UserPoolTokens, login_key
from .pool import UserPool

__all__ = [
    "AutoSignIn",
    "Challenge",
    "CodeDelivery",
    "CodeMismatchError",
    "Device",
    "PasswordResetRequiredError",
    "RefreshTokenReusedError",
    "SignUp",
    "UserNotConfirmedError",
    "UserPool",
    "UserPoolTokens",
    "login_key",
]
