"""Where things are stored: the home, the cache, the keyring, logs."""

from __future__ import annotations

import os
from collections.abc import Callable

from .model import DOCTOR, JOB, LOGIN, ByHand, Dash, Literal, SetUp, job, person
from .place import Place

_OF_DOCTOR = Literal(of_doctor=True)
_STILL = "credentials are still given, only not cached"
_KEYRING = job(more="cognito_cache = keyring")


def _file_for_cache(place: Place) -> None:
    place.cache.write_text("x")


def _foreign(place: Place) -> None:
    place.cache.mkdir(mode=0o700)
    os.chown(place.cache, 1234, 1234)


def _own_again(place: Place) -> None:
    os.chown(place.cache, os.geteuid(), os.getegid())


def _spoiled(keep: int) -> Callable[[Place], object]:
    """Cut every file of the cache to half, or to nothing."""

    def prepare(place: Place) -> None:
        for path in place.files():
            data = path.read_bytes()
            path.write_bytes(data[: len(data) * keep // 100])

    return prepare


def _open(mode: int, name: str = "config") -> Callable[[Place], object]:
    def prepare(place: Place) -> None:
        place.config.with_name(name).chmod(mode)

    return prepare


def _backend(text: str) -> Callable[[Place], object]:
    def prepare(place: Place) -> None:
        folder = place.path / "backends"
        folder.mkdir()
        chosen = place.path / ".config" / "python_keyring" / "keyringrc.cfg"
        chosen.parent.mkdir(parents=True)
        chosen.write_text(f"[backend]\ndefault-keyring=own_backend.Own\nkeyring-path={folder}\n")
        (folder / "own_backend.py").write_text(
            "from keyring.backend import KeyringBackend\nfrom keyring.errors import KeyringLocked\n"
            f"class Own(KeyringBackend):\n    priority = 5\n{text}"
        )

    return prepare


_LOCKED = """\
    def get_password(self, *a): raise KeyringLocked('Failed to unlock the collection!')
    set_password = delete_password = get_password
"""
_TO_FILE = ByHand(
    r"cognito_cache = file|unlock|keyring", lambda place: place.edit("cognito_cache = keyring", "cognito_cache = file")
)

ROWS = (
    SetUp(
        "a file in the place of the cache",
        Dash(_STILL),
        _OF_DOCTOR,
        doctor=r"cognito-federation.*(not a directory|is a file)",
        prepare=_file_for_cache,
        works=DOCTOR,
    ),
    SetUp(
        "a file in the place of the cache, at a sign-in",
        r"cognito-federation.*(not a directory|is a file)",
        config=person(),
        prepare=_file_for_cache,
        command=LOGIN,
    ),
    SetUp(
        "a cache of another user",
        Dash(_STILL),
        ByHand(r"chown", _own_again, of_doctor=True),
        doctor=r"belongs to (another user|user 1234)",
        prepare=_foreign,
        works=DOCTOR,
    ),
    SetUp(
        "a cache of another user, at a sign-in",
        r"belongs to (another user|user 1234)",
        ByHand(r"chown", _own_again),
        config=person(),
        prepare=_foreign,
        command=LOGIN,
    ),
    SetUp(
        "a cache that cannot be written",
        Dash(_STILL),
        Literal({"DIRECTORY": "$home/cache"}, of_doctor=True),
        doctor=r"/proc/nowhere",
        environ={"COGNITO_FEDERATION_CACHE_DIR": "/proc/nowhere"},
        works=DOCTOR,
    ),
    SetUp(
        "a cache that cannot be written, at a sign-in",
        r"/proc/nowhere",
        Literal({"DIRECTORY": "$home/cache"}),
        config=person(),
        environ={"COGNITO_FEDERATION_CACHE_DIR": "/proc/nowhere"},
        command=LOGIN,
    ),
    SetUp(
        "a relative directory for the cache",
        r"COGNITO_FEDERATION_CACHE_DIR.*'cache'",
        Literal({"DIRECTORY": "$home/cache"}),
        environ={"COGNITO_FEDERATION_CACHE_DIR": "cache"},
    ),
    SetUp(
        "a configuration that others can write",
        Dash("it works for now"),
        _OF_DOCTOR,
        doctor=r"\.aws/config can be written by other users",
        prepare=_open(0o666),
        works=DOCTOR,
    ),
    SetUp(
        "a home's folder that others can write",
        Dash("it works for now"),
        _OF_DOCTOR,
        doctor=r"\.aws can be written by other users",
        prepare=lambda place: place.config.parent.chmod(0o777),
        works=DOCTOR,
    ),
    SetUp(
        "a configuration of another user",
        Dash("it works for now"),
        ByHand(r"chown", lambda place: os.chown(place.config, os.geteuid(), os.getegid()), of_doctor=True),
        doctor=r"\.aws/config belongs to user 1234",
        prepare=lambda place: os.chown(place.config, 1234, 1234),
        works=DOCTOR,
    ),
    SetUp(
        "a configuration that is a directory",
        r"\.aws/config is not a file",
        ByHand(r"Move it away", lambda place: (place.config.rmdir(), place.write(place.filled(JOB)))),
        prepare=lambda place: (place.config.unlink(), place.config.mkdir()),
    ),
    SetUp(
        "a sign-in that was cut in half",
        r"Not signed in|damaged",
        Literal({"cognito-federation login": "cognito-federation login --browser-command '$python $browser %s'"}),
        config=person(),
        before=(LOGIN,),
        prepare=_spoiled(50),
        doctor=r"Not signed in|damaged",
    ),
    SetUp(
        "a sign-in that is empty",
        r"Not signed in|damaged",
        Literal({"cognito-federation login": "cognito-federation login --browser-command '$python $browser %s'"}),
        config=person(),
        before=(LOGIN,),
        prepare=_spoiled(0),
        doctor=r"Not signed in|damaged",
    ),
    SetUp(
        "a keyring that cannot be used",
        r"keyring",
        _TO_FILE,
        config=person(more="cognito_cache = keyring"),
        environ={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
        command=LOGIN,
    ),
    SetUp(
        "a keyring that forgets",
        r"keyring",
        _TO_FILE,
        config=person(more="cognito_cache = keyring"),
        environ={"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        command=LOGIN,
    ),
    SetUp(
        "a keyring that is locked",
        r"locked",
        _TO_FILE,
        config=person(more="cognito_cache = keyring"),
        prepare=_backend(_LOCKED),
        command=LOGIN,
    ),
    SetUp(
        "a keyring's backend that is not there",
        r"no_such_backend",
        _TO_FILE,
        config=person(more="cognito_cache = keyring"),
        environ={"PYTHON_KEYRING_BACKEND": "no_such_backend.Keyring"},
        command=LOGIN,
    ),
    SetUp(
        "a job with a keyring that is locked",
        Dash(_STILL),
        ByHand(r"cognito_cache = file|[Uu]nlock", lambda place: place.edit("= keyring", "= file"), of_doctor=True),
        doctor=r"locked",
        config=_KEYRING,
        prepare=_backend(_LOCKED),
        works=DOCTOR,
    ),
    SetUp(
        "a log that cannot be written",
        r"COGNITO_FEDERATION_DEBUG.*/nowhere/x\.log|/nowhere/x\.log.*COGNITO_FEDERATION_DEBUG",
        environ={"COGNITO_FEDERATION_DEBUG": "/nowhere/x.log"},
    ),
)
