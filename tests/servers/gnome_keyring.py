"""A real gnome-keyring on its own message bus, with a prompter that shows its question to no user."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.tool_cache import lacking

_START = """
printf pw | gnome-keyring-daemon --unlock --components=secrets >&2
echo "$DBUS_SESSION_BUS_ADDRESS"
exec cat
"""


@dataclass(frozen=True)
class GnomeKeyring:
    """A running keyring, unlocked.

    Attributes:
        bus: the address of its message bus.
    """

    bus: str

    def environment(self) -> dict[str, str]:
        return {"DBUS_SESSION_BUS_ADDRESS": self.bus}

    def items(self) -> dict[str, str]:
        """Return its items, by name."""
        with self._connected() as connection:
            import secretstorage

            found = secretstorage.get_default_collection(connection).get_all_items()
            return {item.get_attributes()["username"]: item.get_secret().decode() for item in found}

    def lock(self) -> None:
        """Lock the keyring like a screen saver; the next access makes it ask for its password."""
        with self._connected() as connection:
            import secretstorage

            secretstorage.get_default_collection(connection).lock()

    @contextlib.contextmanager
    def with_silent_prompter(self) -> Iterator[None]:
        """Replace the program that asks for the password by one that never answers."""
        from jeepney import DBusAddress, new_method_call
        from jeepney.io.blocking import open_dbus_connection

        bus = DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")
        with open_dbus_connection(self.bus) as connection:
            own = new_method_call(bus, "RequestName", "su", ("org.gnome.keyring.SystemPrompter", 4))
            assert connection.send_and_get_reply(own).body == (1,)
            yield

    @contextlib.contextmanager
    def _connected(self) -> Iterator[object]:
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(self.bus) as connection:
            yield connection


@contextlib.contextmanager
def running(home: Path) -> Iterator[GnomeKeyring]:
    """Start a keyring whose files are in `home`; it ends with its bus, at the end of the `with` block."""
    for program in ("dbus-run-session", "gnome-keyring-daemon"):
        if shutil.which(program) is None:
            lacking(f"{program} is not installed")
    runtime = home / "run"
    runtime.mkdir(mode=0o700, parents=True)
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_DATA_HOME"):
        environment.pop(name, None)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            ["dbus-run-session", "--", "sh", "-c", _START],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        bus = process.stdout.readline().strip()
        assert bus, (home / "log").read_text()
        yield GnomeKeyring(bus)
    finally:
        process.communicate()
