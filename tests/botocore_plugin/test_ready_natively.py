"""Natively, cached responses are used without resolving the configuration, and never for another query."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from botocore_cognito_federation._fast_path import CacheQuery
from botocore_cognito_federation.cli.credential_process import answer
from botocore_cognito_federation.demo.serve import find_executable
from botocore_cognito_federation.demo.world import World
from tests.home import Home

#: The beginning of each test's child; ``resolved()`` says whether the configuration has been resolved.
START = """
import json, os, sys
import boto3
from botocore_cognito_federation import install
install()
def session(**more):
    return boto3.Session(profile_name="demo-native", **more)
def resolved():
    return "botocore_cognito_federation.config.loader" in sys.modules
def tell(**more):
    print(json.dumps(more))
"""


def told(home: Home, program: str, **changes: str | None) -> dict[str, object]:
    done = home.python(START + program, **changes)
    assert done.code == 0, done.err.decode()
    found = json.loads(done.out)
    assert isinstance(found, dict)
    return found


def key_in_process() -> str:
    """Return the key that ``credential-process`` prints, in this process, which uses the home of the test."""
    code, text = answer(CacheQuery("demo-native", os.environ))
    assert code == 0
    return str(json.loads(text)["AccessKeyId"])


@pytest.fixture
def ready(inside: Home) -> Home:
    """A home with a cached response for the profile, and a journal without calls."""
    assert key_in_process()
    inside.world.reset_journal()
    return inside


@pytest.fixture(scope="module")
def unchanged(one_world: World, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same home for all tests whose programs change nothing in it and call nothing."""
    path = tmp_path_factory.mktemp("unchanged") / "home"
    one_world.write_home(path, find_executable())
    home = Home(path, one_world)
    assert home.ask("demo-native").key
    return home


@pytest.fixture(scope="module")
def finding(unchanged: Home) -> dict[str, Any]:
    """What a program tells about itself that finds the response."""
    before = """
import os
called = []
register = os.register_at_fork
def recording(**hooks):
    called.extend(str(hook.__module__) for hook in hooks.values())
    register(**hooks)
os.register_at_fork = recording
"""
    after = """
c = session().get_credentials()
frozen = c.get_frozen_credentials()
prefix = "botocore_cognito_federation"
tell(ours=sorted(name for name in sys.modules if name.startswith(prefix)),
     theirs=sorted({"filelock", "jwt", "requests", "click", "keyring"} & set(sys.modules)),
     called=[name for name in called if name.startswith("botocore")],
     credentials={"AccessKeyId": frozen.access_key, "SecretAccessKey": frozen.secret_key,
                  "SessionToken": frozen.token, "Expiration": f"{c._expiry_time:%Y-%m-%dT%H:%M:%SZ}"},
     resolved=resolved(), needed=c.refresh_needed(60))
"""
    unchanged.world.reset_journal()
    done = unchanged.python(before + START + after)
    assert done.code == 0, done.err.decode()
    return {**json.loads(done.out), "spent": unchanged.spent}


def test_a_program_that_finds_an_answer_imports_nothing_that_makes_or_renews_one(finding):
    assert {name: finding[name] for name in ("ours", "theirs")} == {
        "ours": sorted(
            [
                "botocore_cognito_federation",
                "botocore_cognito_federation._util",
                "botocore_cognito_federation.botocore_plugin",
                "botocore_cognito_federation.botocore_plugin.provider",
                "botocore_cognito_federation.botocore_plugin.credentials",
                "botocore_cognito_federation.errors",
                "botocore_cognito_federation._util.concurrency",
                "botocore_cognito_federation._fast_path",
            ]
        ),
        "theirs": [],
    }
    assert finding["spent"] == (0, 0)


def test_a_program_that_finds_an_answer_has_nothing_called_at_a_fork(finding):
    # A function that is registered there stays alive, with its module and all of botocore, until after the last garbage
    # collection.
    assert finding["called"] == []


def test_what_is_ready_is_whole(finding, unchanged):
    document = unchanged.ask("demo-native").document
    assert finding["credentials"].items() <= document.items()
    assert (finding["resolved"], finding["needed"]) == (False, False)


def test_a_program_that_finds_none_leaves_one_for_all_processes(home):
    program = "tell(key=session().get_credentials().get_frozen_credentials().access_key, resolved=resolved())"
    first = told(home, program)
    assert first["resolved"]
    assert len(home.answers()) == 1
    assert told(home, program) == {"key": first["key"], "resolved": False}
    assert home.ask("demo-native").key == first["key"]
    assert home.spent == (1, 1)


def test_what_may_not_be_in_files_is_not_left(home):
    for cache in ("memory", "keyring"):
        home.profile(cache, cognito_token_file=str(home.token), cognito_cache=cache)
    program = """
keys = [boto3.Session(profile_name=cache).get_credentials().get_frozen_credentials().access_key
        for cache in ("memory", "keyring")]
tell(different=len(set(keys)))
"""
    assert told(home, program, PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring") == {"different": 2}
    assert home.answers() == []


def test_all_sessions_share_one_object_whichever_way_they_came_to_it(ready):
    program = """
first, second = session().get_credentials(), session().get_credentials()
was_resolved = resolved()
for folder, _, names in os.walk(os.path.join(os.environ["COGNITO_FEDERATION_CACHE_DIR"], "answers")):
    for name in names: os.unlink(os.path.join(folder, name))
tell(same=first is second, was_resolved=was_resolved, still=session().get_credentials() is first, resolved=resolved())
"""
    assert told(ready, program) == {"same": True, "was_resolved": False, "still": True, "resolved": True}


def test_a_default_session_from_before_install_and_later_ones_share_one_object(unchanged):
    program = """
from botocore_cognito_federation import uninstall
uninstall()
os.environ["AWS_PROFILE"] = "demo-native"
boto3.setup_default_session()
install()
default = boto3.DEFAULT_SESSION.get_credentials()
tell(same=boto3.Session().get_credentials() is default)
"""
    assert told(unchanged, program) == {"same": True}


def test_sessions_with_another_token_in_the_variable_share_nothing(home):
    home.profile("ci", cognito_token_env="CI_TOKEN")
    tokens = {who: home.world.provider.issue(who) for who in ("ada", "bob")}
    keys = {who: home.ask("ci", CI_TOKEN=token).key for who, token in tokens.items()}
    program = """
found = []
for who in ("ADA", "ADA", "BOB"):
    os.environ["CI_TOKEN"] = os.environ[who]
    found.append(boto3.Session(profile_name="ci").get_credentials())
    found[-1].get_frozen_credentials()
tell(keys=[c.get_frozen_credentials().access_key for c in found], same=[found[0] is c for c in found])
"""
    # There is one response for one query: the other token is a miss, which resolves the configuration.
    found = told(home, program, ADA=tokens["ada"], BOB=tokens["bob"])
    assert found == {"keys": [keys["ada"], keys["ada"], keys["bob"]], "same": [True, True, False]}


# Queries that must not be answered with it


def test_a_session_that_read_an_earlier_configuration_is_not_answered_by_a_later_ones(ready):
    program = """
import subprocess
early = session()
early._session.full_config
config, head = os.environ["AWS_CONFIG_FILE"], "[profile demo-native]"
with open(config) as file: text = file.read()
with open(config, "w") as file: file.write(text.replace(head, f"{head}\\ncognito_role_arn = {os.environ['ROLE']}"))
later = json.loads(subprocess.check_output([os.environ["HELPER"], "credential-process", "--profile", "demo-native"]))
key = lambda s: s.get_credentials().get_frozen_credentials().access_key
tell(early=key(early), later=later["AccessKeyId"], new=key(session()))
"""
    before = key_in_process()
    found = told(ready, program, ROLE=ready.world.other_role_arn, HELPER=find_executable())
    assert found["early"] == before
    assert found["new"] == found["later"] != before


def test_a_session_with_a_configuration_file_of_its_own_is_not_answered_by_the_usual_ones(unchanged, tmp_path):
    other = tmp_path / "other"
    other.write_text(
        "[profile demo-native]\nregion = eu-west-1\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s"
    )
    program = """
import botocore.session
own = botocore.session.Session(profile="demo-native")
own.set_config_variable("config_file", os.environ["OTHER"])
tell(key=own.get_credentials().access_key)
"""
    assert told(unchanged, program, OTHER=str(other)) == {"key": "AKIAOTHER"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each change has a child of one process, which Windows has not")
def test_another_query_is_resolved(ready):
    program = """
changes = {
    "nothing": lambda: None,
    "an endpoint": lambda: os.environ.update(AWS_ENDPOINT_URL="http://127.0.0.1:1"),
    "a role": lambda: os.environ.update(COGNITO_FEDERATION_ROLE_ARN="arn:aws:iam::111122223333:role/Other"),
    "the time of the token": lambda: os.utime(os.path.join(os.environ["HOME"], "token"), (1, 1)),
    "an answer again": lambda: session().get_credentials().get_frozen_credentials(),
    "nothing again": lambda: None,
    "the time of the configuration": lambda: os.utime(os.environ["AWS_CONFIG_FILE"], (1, 1)),
}
found = {}
for name, change in changes.items():
    child = os.fork()
    if not child:
        try:
            change()
            session().get_credentials()
            os._exit(10 + resolved())
        finally:
            os._exit(1)
    found[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) - 10
tell(**found)
"""
    assert told(ready, program) == {
        "nothing": False,
        "an endpoint": True,
        "a role": True,
        "the time of the token": True,
        "an answer again": True,
        "nothing again": False,
        "the time of the configuration": True,
    }


def test_the_parent_of_a_role_chain_is_resolved_because_variables_do_not_touch_it(ready):
    program = """
boto3.Session(profile_name="chained-native").get_credentials().get_frozen_credentials()
tell(resolved=resolved())
"""
    assert told(ready, program) == {"resolved": True}


# The time to renew

RENEW = """
import glob, time
credentials = session().get_credentials()
first = credentials.get_frozen_credentials().access_key
assert not resolved()
for path in glob.glob(os.path.join(os.environ["COGNITO_FEDERATION_CACHE_DIR"], "credentials", "*.json")):
    document = json.load(open(path))
    ends = time.time() + 600
    document.update(expires_at=ends, issued_at=ends - 3600)
    json.dump(document, open(path, "w"))
credentials._refresh_at = 0.0
"""


@pytest.mark.thorough
def test_an_object_made_of_an_answer_renews_itself(ready):
    program = RENEW + "tell(new=credentials.get_frozen_credentials().access_key != first, resolved=resolved())"
    assert told(ready, program) == {"new": True, "resolved": True}
    assert ready.spent == (0, 1)
    assert ready.answers()


def test_it_goes_on_with_the_configuration_of_its_beginning(ready):
    program = (
        RENEW
        + """
os.environ["COGNITO_FEDERATION_IDENTITY_POOL_ID"] = "eu-west-1:11111111-2222-3333-4444-555555555555"
with open(os.environ["AWS_CONFIG_FILE"], "w") as file: file.write("[profile demo-native]\\nregion = eu-west-1\\n")
tell(new=credentials.get_frozen_credentials().access_key != first)
"""
    )
    assert told(ready, program) == {"new": True}
    assert ready.spent == (0, 1)


def test_it_never_becomes_another_users(ready):
    program = (
        RENEW
        + """
with open(os.path.join(os.environ["HOME"], "token"), "w") as file: file.write(os.environ["BOB"])
try:
    credentials.get_frozen_credentials()
except Exception as error:
    tell(error=str(error))
"""
    )
    assert "another user's token" in str(told(ready, program, BOB=ready.world.provider.issue("bob"))["error"])


def test_without_a_token_it_returns_usable_credentials_and_leaves_no_answer_for_others(ready):
    program = (
        RENEW
        + """
open(os.path.join(os.environ["HOME"], "token"), "w").close()
tell(same=credentials.get_frozen_credentials().access_key == first)
"""
    )
    assert told(ready, program) == {"same": True}
    # The user of the next process is unknown.
    assert "is empty" in ready.ask("demo-native").refused(5)


def test_two_threads_resolve_the_configuration_of_an_answer_at_once(unchanged):
    program = """
import threading, types
from botocore_cognito_federation.botocore_plugin import credentials as ready
from botocore_cognito_federation.config import loader as load
session().get_credentials()
[(_, later)] = ready._unresolved
real, both, resolved, found = load.settings_of_config, threading.Barrier(2), threading.Event(), []
class OneAfterTheOther(types.ModuleType):
    @property
    def settings_of_config(self):
        if both.wait() == 1: resolved.wait()
        return real
sys.modules[load.__name__] = OneAfterTheOther(load.__name__)
def resolve():
    found.append(later.settings())
    resolved.set()
threads = [threading.Thread(target=resolve) for _ in range(2)]
for each in threads: each.start()
for each in threads: each.join()
tell(same=len(found) == 2 and found[0] == found[1])
"""
    assert told(unchanged, program) == {"same": True}


def test_after_a_sign_out_it_returns_nothing_without_a_token(ready):
    program = (
        RENEW
        + """
import subprocess
subprocess.run([os.environ["HELPER"], "logout", "--profile", "demo-native"], check=True, capture_output=True)
open(os.path.join(os.environ["HOME"], "token"), "w").close()
try:
    credentials.get_frozen_credentials()
except Exception as error:
    tell(error=type(error).__name__)
"""
    )
    assert told(ready, program, HELPER=find_executable()) == {"error": "TokenRefreshError"}
