"""The errors of a user pool that a caller may want to tell apart, each under one of the product's own."""

from __future__ import annotations

from ..errors import ConfigurationError, SignInFailedError, SignInRequiredError


class RefreshTokenReusedError(SignInRequiredError):
    """The refresh token was already spent: another process rotated it.

    Whoever keeps the tokens must read its store again before asking anybody to sign in.
    """


class CodeMismatchError(SignInFailedError):
    """The code was wrong; the same challenge may be answered again."""


class WrongPasswordError(SignInFailedError):
    """The user name or the password is wrong; the pool does not say which."""


class ChallengeOverError(SignInFailedError):
    """A challenge takes no answer any more: the sign-in has to begin again."""


class NewPasswordRefusedError(SignInFailedError):
    """The new password is against the pool's policy; the same challenge may be answered with another one."""


class FlowNotEnabledError(ConfigurationError):
    """The app client does not allow this way to sign in; it may allow another one."""


class UserNotConfirmedError(SignInFailedError):
    """The account waits for its confirmation code: `UserPool.confirm_sign_up`."""


class PasswordResetRequiredError(SignInFailedError):
    """The password must be set anew: `UserPool.forgot_password`, then `forgot_password_submit`."""
