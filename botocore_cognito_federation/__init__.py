"""AWS credentials through an Amazon Cognito identity pool, for every AWS client on the machine.

The public names are loaded on first use (PEP 562), so that importing the package costs nothing: the console script and
every interpreter with the activation enabled import it.
"""

# No `from __future__ import annotations` here and in `_fast_path`: it would load a module at every start of the
# program.
__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import handlers as handlers
    from .application.asynchronous import AsyncCognitoFederation as AsyncCognitoFederation
    from .application.asynchronous import AsyncUserPool as AsyncUserPool
    from .application.federation import CognitoFederation as CognitoFederation
    from .application.users import FederatedUsers as FederatedUsers
    from .botocore_plugin.provider import install as install
    from .botocore_plugin.provider import uninstall as uninstall
    from .cache.dynamodb import DynamoDBCache as DynamoDBCache
    from .cache.postgres import PostgresCache as PostgresCache
    from .cache.redis import RedisCache as RedisCache
    from .credentials import FederatedCredentials as FederatedCredentials
    from .errors import CognitoFederationError as CognitoFederationError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import FederationRefusedError as FederationRefusedError
    from .errors import InvalidTokenError as InvalidTokenError
    from .errors import NonRetryableError as NonRetryableError
    from .errors import NotSignedInError as NotSignedInError
    from .errors import SignInFailedError as SignInFailedError
    from .errors import SignInRequiredError as SignInRequiredError
    from .errors import StorageError as StorageError
    from .errors import TemporaryError as TemporaryError
    from .errors import TokenRefreshError as TokenRefreshError
    from .events import Event as Event
    from .login_tokens.base import RefreshContext as RefreshContext
    from .sign_in.notebook import login as login
    from .user_pool import AutoSignIn as AutoSignIn
    from .user_pool import Challenge as Challenge
    from .user_pool import ChallengeOverError as ChallengeOverError
    from .user_pool import CodeMismatchError as CodeMismatchError
    from .user_pool import NewPasswordRefusedError as NewPasswordRefusedError
    from .user_pool import Passkey as Passkey
    from .user_pool import PasskeyRefusedError as PasskeyRefusedError
    from .user_pool import PasswordResetRequiredError as PasswordResetRequiredError
    from .user_pool import SecurityKey as SecurityKey
    from .user_pool import SignUp as SignUp
    from .user_pool import UsernameExistsError as UsernameExistsError
    from .user_pool import UserNotConfirmedError as UserNotConfirmedError
    from .user_pool import UserPool as UserPool
    from .user_pool import UserPoolTokens as UserPoolTokens
    from .user_pool import WrongPasswordError as WrongPasswordError

#: Each public name and the module that defines it. `__all__`, `dir()` and attribute access come from this table; the
#: imports above, which type checkers need to see, are compared with it by a test.
_HOME_OF = {
    "AsyncCognitoFederation": "application.asynchronous",
    "AsyncUserPool": "application.asynchronous",
    "AutoSignIn": "user_pool",
    "Challenge": "user_pool",
    "ChallengeOverError": "user_pool",
    "CodeMismatchError": "user_pool",
    "CognitoFederation": "application.federation",
    "CognitoFederationError": "errors",
    "ConfigurationError": "errors",
    "DynamoDBCache": "cache.dynamodb",
    "Event": "events",
    "FederatedCredentials": "credentials",
    "FederatedUsers": "application.users",
    "FederationRefusedError": "errors",
    "handlers": "",
    "install": "botocore_plugin.provider",
    "InvalidTokenError": "errors",
    "login": "sign_in.notebook",
    "NewPasswordRefusedError": "user_pool",
    "NonRetryableError": "errors",
    "NotSignedInError": "errors",
    "Passkey": "user_pool",
    "PasskeyRefusedError": "user_pool",
    "PasswordResetRequiredError": "user_pool",
    "PostgresCache": "cache.postgres",
    "RedisCache": "cache.redis",
    "RefreshContext": "login_tokens.base",
    "SecurityKey": "user_pool",
    "SignInFailedError": "errors",
    "SignInRequiredError": "errors",
    "SignUp": "user_pool",
    "StorageError": "errors",
    "TemporaryError": "errors",
    "TokenRefreshError": "errors",
    "uninstall": "botocore_plugin.provider",
    "UsernameExistsError": "user_pool",
    "UserNotConfirmedError": "user_pool",
    "UserPool": "user_pool",
    "UserPoolTokens": "user_pool",
    "WrongPasswordError": "user_pool",
}


# Hidden from type checkers: for them, a name that is not imported above does not exist.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "__all__":  # Only `import *` asks for it.
            return sorted({*_HOME_OF, "__version__"})
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        module = importlib.import_module(f".{home or name}", __name__)
        value = getattr(module, name) if home else module
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
