"""AWS credentials through an Amazon Cognito identity pool, for every AWS client on the machine.

The public names are loaded on first use (PEP 562), so that importing the package costs nothing: the console script
and every interpreter with the activation enabled go through here.
"""

# No `from __future__ import annotations` here and in `process`: it loads a module, at every start of the helper.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._version import __version__ as __version__
    from .botocore_plugin import install as install
    from .botocore_plugin import uninstall as uninstall
    from .errors import CognitoFederationError as CognitoFederationError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import FederationRefusedError as FederationRefusedError
    from .errors import NonRetryableError as NonRetryableError
    from .errors import NotSignedInError as NotSignedInError
    from .errors import SignInFailedError as SignInFailedError
    from .errors import SignInRequiredError as SignInRequiredError
    from .errors import StorageError as StorageError
    from .errors import TemporaryError as TemporaryError
    from .errors import TokenRefreshError as TokenRefreshError

_HOME_OF = {
    "__version__": "_version",
    "CognitoFederationError": "errors",
    "ConfigurationError": "errors",
    "FederationRefusedError": "errors",
    "NonRetryableError": "errors",
    "NotSignedInError": "errors",
    "SignInFailedError": "errors",
    "SignInRequiredError": "errors",
    "StorageError": "errors",
    "TemporaryError": "errors",
    "TokenRefreshError": "errors",
    "install": "botocore_plugin",
    "uninstall": "botocore_plugin",
}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
