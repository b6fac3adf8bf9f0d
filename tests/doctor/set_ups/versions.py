"""Installations that are not whole: a module that is gone, a version that is too old."""

from __future__ import annotations

from collections.abc import Callable

from .installations import Installation
from .model import DOCTOR, ByHand, Dash, SetUp, Words, job, person
from .place import Place

_LINE = "$broken -I -m botocore_cognito_federation"
_CONFIG = job("$helper credential-process", f"{_LINE} credential-process")
_SIGN_IN = person("$helper credential-process", f"{_LINE} credential-process")
_COMMAND = ("credential-process",)


def _without(*names: str) -> Callable[[Place], object]:
    """An installation in which these packages are not there."""

    def prepare(place: Place) -> None:
        place.installation = Installation(place.path / "venv", without=names)
        place.facts["broken"] = str(place.installation.python)
        place.write(place.filled(place.config.read_text()))

    return prepare


def _with(name: str, version: str) -> Callable[[Place], object]:
    """An installation with another version of a package."""

    def prepare(place: Place) -> None:
        place.installation = Installation(place.path / "venv", versions={name: version})
        place.facts["broken"] = str(place.installation.python)
        place.write(place.filled(place.config.read_text()))

    return prepare


def _repaired(place: Place) -> None:
    """What pip does with the line that is printed, from what this machine already has."""
    assert place.installation is not None
    place.installation.repair()


def _missing(package: str, module: str, *words: str) -> SetUp:
    command: Words = ("$broken", "-I", "-m", "botocore_cognito_federation", *(words or _COMMAND), "--profile", "dev")
    return SetUp(
        f"{package} is gone",
        rf"\b({module}|{package})\b",
        ByHand(rf"-m pip install .*({package}|botocore-cognito-federation)", _repaired),
        config=_SIGN_IN if "login" in words else _CONFIG,
        prepare=_without(package),
        command=command,
    )


def _old(package: str, version: str, wanted: str) -> SetUp:
    return SetUp(
        f"{package} {version}",
        Dash("the module here is newer than its metadata says, so that it works"),
        ByHand(rf"-m pip install .*{package}", _repaired, of_doctor=True),
        doctor=rf"{package} {version}.*{wanted}",
        config=_CONFIG,
        prepare=_with(package, version),
        command=("$broken", "-I", "-m", "botocore_cognito_federation", *_COMMAND, "--profile", "dev"),
        works=DOCTOR,
    )


_LOGIN = ("login", "--timeout", "4", "--browser-command", "$python $browser %s")

ROWS = (
    _missing("botocore", "botocore"),
    _missing("urllib3", "urllib3"),
    _missing("jmespath", "jmespath"),
    _missing("python-dateutil", "dateutil"),
    _missing("click", "click", "status"),
    _missing("requests", "requests", *_LOGIN),
    _missing("PyJWT", "jwt", *_LOGIN),
    _missing("cryptography", "cryptography", *_LOGIN),
    _old("botocore", "1.20.0", r"1\.34"),
    _old("click", "7.0", r"8\.1"),
    _old("requests", "2.20.0", r"2\.31"),
    _old("PyJWT", "1.7.1", r"2\.10"),
)
