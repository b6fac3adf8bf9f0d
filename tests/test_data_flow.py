"""The way of a token through the package is short and goes one way: how many modules real processes enter, and turn to.

A module is entered by the first call of one of its functions. A call is one back where its module was entered before
that of its caller. Limits are to be lowered with the numbers; a change that needs a higher one needs a reason.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

import botocore_cognito_federation
from botocore_cognito_federation.demo.world import World
from tests.home import ROOT, Home, HomeDirectory, finished
from tests.servers import oidc_provider
from tests.sign_in.home import SignInHome, browser_options

pytestmark = pytest.mark.thorough

PACKAGE = Path(botocore_cognito_federation.__file__).parent
#: Modules that carry data and words may be used from anywhere.
DATA = {"errors", "messages", "credentials", "login_token", "events", "config.settings", "identity_providers"}
#: Flow -> the most modules, and the most calls back.
LIMITS = {
    "native": (20, 35),
    "credential-process": (9, 37),
    "application": (19, 48),
    "login by browser": (32, 60),
}

#: Writes a line for each call between two modules: the caller's and the callee's. Python imports it at its start.
WITNESS = """
import os, sys, threading

PACKAGE = os.environ["TESTS_PACKAGE"] + os.sep
LINES = os.open(os.path.join(os.environ["TESTS_FLOW"], str(os.getpid())), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def module_of(frame):
    name = frame.f_code.co_filename
    return name[len(PACKAGE):-3].replace(os.sep, ".") if name.startswith(PACKAGE) else ""

def called(frame, event, _):
    here = module_of(frame) if event == "call" and frame.f_code.co_name != "<module>" else ""
    if not here or here.startswith("demo."):
        return
    caller, below = "", frame.f_back
    while below is not None:
        module = module_of(below)
        if module and module != "__main__" and below.f_code.co_name == "<module>":
            return  # what runs while a module is imported is no call of the flow
        caller, below = caller or module, below.f_back
    if caller != here:
        os.write(LINES, f"{caller or '-'} {here}\\n".encode())

sys.setprofile(called)
threading.setprofile(called)
"""

NATIVE = """
import boto3, botocore_cognito_federation
botocore_cognito_federation.install()
assert boto3.Session(profile_name="demo").get_credentials().get_frozen_credentials().access_key
"""
APPLICATION = """
import sys, botocore_cognito_federation
pool, endpoint, issuer, token = sys.argv[1:]
federation = botocore_cognito_federation.CognitoFederation(pool, endpoint_url=endpoint)
federation.federated_sign_in(issuer, token)
client = federation.session(region_name="eu-west-1").client("s3")
assert client._request_signer._credentials.get_frozen_credentials().access_key
"""


def calls_of(home: HomeDirectory, folder: Path, *argv: str) -> list[tuple[str, str]]:
    """Run a program to its good end; the calls between modules, in their order."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITNESS)
    written = folder / "calls"
    written.mkdir()
    variables = {
        "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))),
        "TESTS_PACKAGE": str(PACKAGE),
        "TESTS_FLOW": str(written),
        "TMPDIR": str(folder),  # what other programs leave in a folder for all is looked at too
    }
    done = finished(home.spawn([sys.executable, *argv], variables))
    assert done.code == 0, done
    (lines,) = filter(None, (path.read_text().split() for path in written.iterdir()))
    return list(zip(lines[::2], lines[1::2], strict=True))


def check(flow: str, calls: list[tuple[str, str]]) -> None:
    entered: list[str] = []
    back: Counter[str] = Counter()
    for caller, callee in calls:
        if callee in DATA:
            continue
        entered.extend(name for name in (caller, callee) if name not in {*entered, *DATA, "-"})
        if caller in entered and entered.index(callee) < entered.index(caller):
            back[f"{caller} > {callee}"] += 1
    modules, calls_back = LIMITS[flow]
    assert len(entered) <= modules, f"{flow} enters {len(entered)} modules: {' > '.join(entered)}"
    assert back.total() <= calls_back, f"{flow} turns back {back.total()} times: {back.most_common()}"


def test_a_native_cold_start_goes_one_way(home: Home, tmp_path: Path) -> None:
    check("native", calls_of(home, tmp_path / "flow", "-c", NATIVE))


def test_a_cold_helper_goes_one_way(home: Home, tmp_path: Path) -> None:
    words = ("-m", "botocore_cognito_federation", "credential-process", "--profile", "demo")
    check("credential-process", calls_of(home, tmp_path / "flow", *words))


def test_a_sign_in_of_an_application_goes_one_way_to_its_clients(home: Home, tmp_path: Path) -> None:
    world = home.world
    arguments = (world.pool_id, world.endpoint_url, world.provider.issuer, world.provider.issue("ada"))
    check("application", calls_of(home, tmp_path / "flow", "-c", APPLICATION, *arguments))


def test_a_login_by_browser_goes_one_way(world: World, tmp_path: Path) -> None:
    with oidc_provider.running() as provider:
        world.trust_issuer(provider.issuer, ["native", "confidential"])
        home = SignInHome(tmp_path / "home", world, provider).write(
            cognito_identity_pool_id=world.pool_id,
            cognito_provider=provider.issuer.removeprefix("http://"),
            cognito_issuer=provider.issuer,
            cognito_client_id="native",
            cognito_redirect_ports="0",
        )
        words = ("-m", "botocore_cognito_federation", "login", *browser_options("ada"))
        check("login by browser", calls_of(home, tmp_path / "flow", *words))
