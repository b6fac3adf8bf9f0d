"""A home directory with a profile that signs in, and the command line as real processes in it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore_cognito_federation.demo.serve import find_executable
from tests import home
from tests.cache.engines import KEY
from tests.home import ROOT, Result, finished
from tests.servers.oidc_provider import OidcProvider

BROWSER = Path(__file__).with_name("open_url.py")
_NOT_INHERITED = ("AWS_", "COGNITO_FEDERATION_", "BOTO_", "SSH_", "CODESPACES", "CLOUD_SHELL", "_COGNITO", "BROWSER")
#: Runs the command line in a process whose clock is ahead, using time-machine.
LATER = """
import sys, time, time_machine
sys.argv[1:2], ahead = [], float(sys.argv[1])
from botocore_cognito_federation.cli.app import run
with time_machine.travel(time.time() + ahead, tick=True):
    raise SystemExit(run(sys.argv[1:]))
"""


@dataclass
class SignInHome(home.Home):
    """A home whose profile ``dev`` signs in by browser.

    Attributes:
        provider: where its users sign in.
        session: the keys of ``[cognito-session corp]``; `write` stores them.
        profile_keys: further keys of ``[profile dev]``.
    """

    provider: OidcProvider
    session: dict[str, str] = field(default_factory=dict, kw_only=True)
    profile_keys: dict[str, str] = field(default_factory=dict, kw_only=True)

    def write(self, **session: str) -> SignInHome:
        """Write the configuration, with these session keys changed."""
        self.session |= session
        self.config.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = ["[profile dev]", "region = eu-west-1", "cognito_session = corp"]
        lines += [f"{key} = {value}" for key, value in self.profile_keys.items()]
        lines += ["", "[cognito-session corp]", *(f"{key} = {value}" for key, value in self.session.items()), ""]
        self.config.write_text("\n".join(lines))
        return self

    def write_with_shared_caches(self, redis_port: int, postgres_address: str) -> SignInHome:
        """Write the configuration of one of several hosts: credentials on Redis, the sign-in on PostgreSQL."""
        postgres_port = dict(word.split("=") for word in postgres_address.split())["port"]
        self.environ = {"SHARED_KEY": base64.b64encode(KEY).decode()}
        return self.write(
            cognito_identity_pool_id=self.world.pool_id,
            cognito_provider=self.provider.issuer.removeprefix("http://"),
            cognito_issuer=self.provider.issuer,
            cognito_client_id="native",
            cognito_redirect_ports="0",
            cognito_cache="redis",
            cognito_cache_url=f"redis://127.0.0.1:{redis_port}/0",
            cognito_cache_key_env="SHARED_KEY",
            cognito_cache_sessions="postgres",
            cognito_cache_sessions_url=f"postgresql://tests@127.0.0.1:{postgres_port}/postgres",
        )

    def inherited(self) -> dict[str, str]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        variables.pop("CI", None)
        own = {"PYTHONPATH": str(ROOT), "AWS_PROFILE": "dev", "DISPLAY": ":none"}
        return {**variables, **own, **self.world.environment(self.path)}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command; its stdin is closed unless given."""
        variables = options.pop("variables", {})
        command = [sys.executable, "-m", "botocore_cognito_federation", *arguments]
        return self.spawn(command, variables, text=True, **options)

    def run(self, *arguments: str, **variables: str) -> Result:
        """Run a command to its end."""
        return finished(self.start(*arguments, variables=variables))

    def login(self, *arguments: str, user: str = "ada", **variables: str) -> Result:
        """Run `login` with a browser in which `user` signs in."""
        return self.run("login", *browser_options(user), *arguments, **variables)

    def python(self, program: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a Python program in this home."""
        variables = options.pop("variables", {})
        return self.spawn([sys.executable, "-c", program, *arguments], variables, text=True, **options)


def browser_options(user: str) -> tuple[str, str]:
    return "--browser-command", f"{sys.executable} {BROWSER} {user} %s"


def change_cache(home: SignInHome, cache: str) -> Result:
    """Change ``cognito_cache`` like users who want to stay signed in."""
    options = ("--set", f"cache={cache}", "--command", find_executable(), "--offline", "--no-input")
    return home.run("configure", "--profile", "dev", *options)


def later(place: SignInHome, ahead: float, *arguments: str, **variables: str) -> Result:
    """Run a command after a number of seconds, for it and for every server."""
    place.world.clock_offset = ahead
    place.provider.set_clock(ahead)
    return finished(place.python(LATER, str(ahead), *arguments, variables=variables))


def renewals(provider: OidcProvider) -> int:
    """Return the number of used refresh tokens at a provider."""
    return sum(entry["type"] == "refresh_token" for entry in provider.journal("grant"))
