"""The pages of providers followed word by word: the fields typed into a console, the commands run as they stand.

Each page has a machine of its own, on which the names of the provider and of AWS are stand-ins by https. Only root can
have such a machine, on Linux.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import certifi
import pytest

from botocore_cognito_federation.demo.gateway import Gateway
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import REGION, World
from tests.docs.pages import ROOT, blocks, rows
from tests.home import HomeDirectory, rewritten
from tests.servers.aws_hosts import HttpsFront
from tests.servers.own_network import is_possible, run_in_own_network
from tests.sign_in.home import BROWSER
from tests.sign_in.pool_home import Terminal

from .stand_in import StandIn
from .stand_in_providers import SECRET, Auth0, Entra, Google, HostedPages, Keycloak, Okta, OktaCustomServer

PAGES = ROOT / "docs" / "providers"
PASSWORD = "Correct-Horse-1"
_AWS = (*(f"{name}.{REGION}.amazonaws.com" for name in ("cognito-identity", "cognito-idp", "sts")), "iam.amazonaws.com")
#: What a person types on the terminal.
_ANSWERS = {"Do this? [y/N]: ": "y", "Sign in now? [Y/n]: ": "n", "Password of ada": PASSWORD, "]: ": ""}
_NOT_INHERITED = ("AWS_", "COGNITO_FEDERATION_", "BOTO_", "SSH_", "CODESPACES", "CLOUD_SHELL", "BROWSER")


class WorldOfNames(World):
    """A world that answers under AWS's names, and hands the requests to a provider's names to its stand-in."""

    stand_in: StandIn

    def _gateway(self) -> Gateway:
        gateway = super()._gateway()

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            answer = self.stand_in.serve(environ)
            if answer is None:
                return gateway(environ, start_response)
            start_response(answer.status_line, [*answer.headers, ("Content-Length", str(len(answer.body)))])
            return [answer.body]

        return application  # type: ignore[return-value]


@dataclass
class Reader(HomeDirectory):
    """The home of a person who follows a page: an administrator of the account, at a terminal with a browser.

    Attributes:
        stand_in: the provider.
        values: what replaces what stands on the page for the reader's own values.
    """

    stand_in: StandIn
    values: dict[str, str]

    def inherited(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        kept.pop("CI", None)
        browser = " ".join([sys.executable, str(BROWSER), "ada", "%s", *sorted(self.stand_in.hosts)])
        path = f"{Path(find_executable()).parent}:{os.environ['PATH']}"
        return {**kept, "HOME": str(self.path), "PATH": path, "BROWSER": browser, "AWS_EC2_METADATA_DISABLED": "true"}

    def run(self, command: str) -> str:
        """Run a command at a terminal; return what it printed."""
        for placeholder, value in self.values.items():
            command = command.replace(placeholder, value)
        with Terminal(["sh", "-c", command], self.environment(), self.path) as terminal:
            self.stand_in.on_refusal = partial(os.killpg, terminal.process.pid, signal.SIGKILL)
            terminal.answer(_ANSWERS)
            code, out, _ = terminal.finished()
        assert self.stand_in.refused == [], (command, terminal.shown)
        assert code == 0, (command, terminal.shown)
        self.stand_in.printed |= set(re.findall(r"exactly as it is: (\S+)", terminal.shown))
        if " pool create " in command:
            self.values[f"{REGION}:11111111-2222-3333-4444-555555555555"] = out.strip()
        return out


def client_id_on(page: Path) -> str:
    """Return the client ID in the commands of a page."""
    (found,) = {*re.findall(r"--client-id (\S+)", page.read_text("utf-8"))}
    return str(found)


@dataclass(frozen=True)
class Place:
    """The files of one machine.

    Attributes:
        folder: for them.
        page: the page that is followed there.
    """

    folder: Path
    page: Path

    @property
    def fields(self) -> dict[str, str]:
        """Return the page's table."""
        return {field: value for field, value in rows(self.page) if field not in ("field", "---")}

    def on_own_machine(self, follow: Callable[[Place, WorldOfNames], None]) -> None:
        """Call a function on a machine whose system files are in the folder; they change with what runs there."""
        hosts, authority = self.folder / "hosts", self.folder / "authority.pem"
        hosts.touch()
        authority.touch()
        trusted = (Path("/etc/ssl/certs/ca-certificates.crt"), Path(certifi.where()))

        def drive() -> None:
            world = WorldOfNames()
            with world, HttpsFront(self.folder, urlsplit(world.endpoint_url).port or 0, 443):
                world.user_pools.directory.endpoint_url = HostedPages.own_issuer
                follow(self, world)

        run_in_own_network(drive, {"/etc/hosts": hosts, **{str(path): authority for path in trusted}})

    def reader(self, world: WorldOfNames, stand_in: StandIn, values: dict[str, str]) -> Reader:
        """Return the person who reads the page, with this provider and these values of their own."""
        world.stand_in = stand_in
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {' '.join({*_AWS, *stand_in.hosts})}\n")
        home = self.folder / "home"
        (home / ".aws").mkdir(parents=True)
        keys = "".join(f"{name} = {value}\n" for name, value in world.admin_credentials.items())
        (home / ".aws" / "credentials").write_text(f"[default]\n{keys}")
        return Reader(home, stand_in, dict(values))


def follow_all(make: type[StandIn], values: dict[str, str], place: Place, world: WorldOfNames) -> None:
    """Follow a page with a provider."""
    client_id = client_id_on(place.page)
    stand_in = make(place.fields, values.get(client_id, client_id))
    follow_blocks(place, place.reader(world, stand_in, values))


def follow_user_pool(place: Place, world: WorldOfNames) -> None:
    """Follow the page with a pool of the world, whose app client allows what the page says."""
    text = place.page.read_text("utf-8")
    facts = world.add_user_pool(flows=re.findall(r"\*\*ALLOW_(USER_\w+)\*\*", text))
    user = world.add_user(facts.user_pool_id, "ada", PASSWORD, email="ada@example.com")
    values = {"eu-west-1_AbCdEfGhI": facts.user_pool_id, client_id_on(place.page): facts.client_id}
    stand_in = HostedPages(place.fields, facts.client_id, world, facts.user_pool_id, user)
    follow_blocks(place, place.reader(world, stand_in, values))
    assert len(world.calls("RespondToAuthChallenge")) == 1, "by password"
    assert len(world.calls("GetTokensFromRefreshToken")) == 1


def follow_blocks(place: Place, reader: Reader) -> None:
    """Follow every block; then ask AWS who that is, when only the refresh token is still valid."""
    (reader.path / "secret.txt").write_text(f"{SECRET}\n")
    for _, block in blocks(place.page, "sh"):
        for command in block.replace("\\\n", " ").splitlines():
            reader.run(command)
    (session,) = reader.documents("sessions")
    rewritten(session, token_expires_at=1.0)
    shutil.rmtree(reader.cache / "credentials")
    out = reader.run("cognito-federation whoami --profile dev")
    assert ":assumed-role/cognito-federation" in out
    assert "ada@example.com" in out
    assert reader.session_document()["token_expires_at"] > 1
    assert len(reader.stand_in.printed) == 2 or "two URIs" not in str(place.fields)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Place]:
    return lambda name: Place(tmp_path, PAGES / f"{name}.md")


own_machine = pytest.mark.skipif(not is_possible(), reason="only root on Linux can have a machine of its own")


@pytest.mark.slow
@own_machine
@pytest.mark.parametrize(
    ("page", "provider", "values"),
    [
        ("auth0", Auth0, {"CLIENT_ID": "vTbR4nqZ"}),
        ("okta", Okta, {}),
        ("okta", OktaCustomServer, {"--provider corp.okta.com": "--provider corp.okta.com/oauth2/default"}),
        ("entra", Entra, {}),
        ("keycloak", Keycloak, {}),
        ("google", Google, {}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whoever_follows_the_page_is_signed_in(
    place: Callable[[str], Place], page: str, provider: type[StandIn], values: dict[str, str]
) -> None:
    place(page).on_own_machine(partial(follow_all, provider, values))


@pytest.mark.slow
@own_machine
def test_whoever_follows_the_page_of_user_pools_signs_in_on_the_pages_and_by_password(
    place: Callable[[str], Place],
) -> None:
    place("user-pool").on_own_machine(follow_user_pool)


def refused_by(stand_in: StandIn) -> list[str]:
    """Send the authorization request of a sign-in; return what was refused."""
    stand_in.refused = []
    address = urlsplit(stand_in.addresses["authorize"])
    back = "http://localhost:8400" if "localhost" in str(stand_in.registered) else "http://127.0.0.1:8400/callback/x"
    asked = {"client_id": stand_in.client_id, "redirect_uri": back, "scope": "openid", "response_type": "code"}
    query = urlencode({**asked, "code_challenge": "x" * 43, "code_challenge_method": "S256"})
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": address.path, "HTTP_HOST": address.netloc, "QUERY_STRING": query}
    assert stand_in.serve(environ) is not None
    return stand_in.refused


def stand_in_of(place: Place) -> StandIn:
    """Return the stand-in for a page, with an application as the page says."""
    if place.page.stem == "user-pool":
        return HostedPages(place.fields, "client", World(), "eu-west-1_AbCdEfGhI", "ada")
    providers = {"auth0": Auth0, "okta": Okta, "entra": Entra, "keycloak": Keycloak, "google": Google}
    return providers[place.page.stem](place.fields, "client")


@pytest.mark.thorough
@pytest.mark.parametrize("page", ["auth0", "okta", "entra", "keycloak", "google", "user-pool"])
def test_another_value_in_a_field_of_the_console_is_refused(place: Callable[[str], Place], page: str) -> None:
    stand_in = stand_in_of(place(page))
    stand_in.printed = {"http://127.0.0.1:8400/callback/x"}
    assert refused_by(stand_in) == []
    # These count later than in the request: the way that tokens are signed, and what the token endpoint takes.
    later = {stand_in.algorithms, *(field for field, value in stand_in.needed.items() if not value)}
    fields = stand_in.fields
    for field in fields.keys() - later:
        stand_in.fields = {**fields, field: "**Other**"}
        assert refused_by(stand_in), field
