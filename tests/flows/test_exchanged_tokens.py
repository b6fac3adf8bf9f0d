"""Cached credentials are returned only for a token that was itself exchanged, wherever an attacker may supply one."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from werkzeug import Response

from botocore_cognito_federation.cache.base import CREDENTIALS, MemoryStore
from botocore_cognito_federation.cache.file import FileStore
from botocore_cognito_federation.config.settings import Settings
from botocore_cognito_federation.errors import FederationRefusedError, Retry, StorageError, TemporaryError
from tests.botocore_plugin.test_ready_natively import told
from tests.flows.test_federation import ONE, POOL, START, Bench, Source, refused, token
from tests.home import Home, finished

pytestmark = pytest.mark.thorough


def unsigned(**claims: object) -> str:
    """A token that an attacker can write."""
    parts = ({"alg": "none"}, claims)
    first, second = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{first}.{second}."


@pytest.fixture(params=["memory", "file", "nothing can be written"])
def bench(request, tmp_path, monkeypatch) -> Bench:
    store = MemoryStore() if request.param != "file" else FileStore(str(tmp_path / "cache"))
    if request.param == "nothing can be written":

        def refuse(*_: object) -> None:
            raise StorageError("read-only")

        monkeypatch.setattr(store, "write", refuse)
    return Bench(store)


FORGED = Source([token("ada", "forged")])


# The decision


def test_a_token_that_only_claims_to_be_a_users_is_exchanged_as_if_nothing_were_cached(bench):
    federation = bench.federation()
    federation.credentials()
    bench.source, bench.pool.always = FORGED, refused(Retry.NEVER)
    with pytest.raises(FederationRefusedError):
        federation.credentials()
    assert len(bench.pool.asked) == 2


def test_while_the_network_is_down_such_a_token_gets_a_temporary_error_and_nothing_cached(bench):
    federation = bench.federation()
    federation.credentials()
    bench.source, bench.pool.always = FORGED, TemporaryError("down")
    bench.now += 2500  # the user's own are due for renewal, and usable
    with pytest.raises(TemporaryError, match="down"):
        federation.credentials()
    bench.source = Source([token("ada")])
    assert federation.credentials().access_key == "AK1"


def test_the_failure_of_such_a_token_is_not_reported_to_the_user(bench):
    federation = bench.federation()
    federation.credentials()
    bench.now += 2500
    bench.source, bench.pool.always = FORGED, TemporaryError("down")
    with pytest.raises(TemporaryError):
        federation.credentials()
    bench.source, bench.pool.always = Source([token("ada")]), None
    assert federation.credentials().access_key == "AK3"


def test_a_refused_token_is_not_exchanged_through_its_successor(bench):
    federation = bench.federation()
    bench.source = Source([token("ada", "refused"), token("ada", "newer")])
    bench.pool.script = [refused(Retry.TOKEN)]
    assert federation.credentials().access_key == "AK2"
    bench.source, bench.pool.always = Source([token("ada", "refused")]), refused(Retry.NEVER)
    with pytest.raises(FederationRefusedError):
        federation.credentials()
    bench.source = Source([token("ada", "newer")])
    assert federation.credentials().access_key == "AK2"


def test_several_tokens_of_one_user_are_good_at_the_same_time_and_cost_one_exchange_each(bench):
    federation = bench.federation()
    for _ in range(3):
        for value in ("one", "two", "three"):
            bench.source = Source([token("ada", value)])
            assert federation.credentials().identity_id == ONE
    assert len(bench.pool.asked) == 3


def test_a_token_that_has_expired_does_not_open_the_credentials_that_a_later_token_brought(bench):
    federation = bench.federation()
    old = replace(token("ada", "old"), expires_at=START + 600)
    bench.source = Source([old])
    assert federation.credentials().access_key == "AK1"
    bench.now += 700
    assert federation.credentials().access_key == "AK1"  # what it was exchanged for
    bench.source = Source([replace(token("ada", "next"), expires_at=START + 8000)])
    assert federation.credentials().access_key == "AK2"
    bench.source, bench.pool.always = Source([old]), refused(Retry.NEVER)
    with pytest.raises(FederationRefusedError):
        federation.credentials()


def test_the_number_of_token_digests_is_bounded(bench):
    federation = bench.federation()
    for number in range(20):
        bench.source = Source([token("ada", f"token {number}")])
        federation.credentials()
    for _, document in bench.store.documents(CREDENTIALS):
        assert len(document["tokens"]) == 16
        assert "token 19" not in json.dumps(document)
    bench.source = Source([token("ada", "token 0")])
    federation.credentials()
    assert len(bench.pool.asked) == 21


def test_credentials_cached_by_an_earlier_version_cost_one_exchange(tmp_path):
    bench = Bench(MemoryStore())
    bench.federation().credentials()
    [(key, document)] = bench.store.documents(CREDENTIALS)
    bench.store.write(CREDENTIALS, key, {name: value for name, value in document.items() if name != "tokens"})
    for _ in range(2):
        assert bench.federation().credentials().access_key == "AK2"


def test_a_source_whose_address_is_fixed_answers_by_its_claims(bench):
    bench.answers_by_claims = True
    federation = bench.federation()
    federation.credentials()
    bench.source = Source([token("ada", "minted anew")])
    assert federation.credentials().access_key == "AK1"


@pytest.mark.parametrize(
    "changes",
    [
        {"identity_id": ONE},
        {"flow": "basic", "role_arn": "arn:aws:iam::123456789012:role/A"},
        {"role_arn": "arn:aws:iam::123456789012:role/A"},
        {"assume_role_arn": "arn:aws:iam::123456789012:role/B"},
    ],
)
def test_so_it_is_with_a_fixed_identity_in_the_basic_flow_and_with_roles(bench, changes):
    bench.settings = replace(Settings(POOL, profile="p"), **changes)
    federation = bench.federation()
    assert federation.credentials().access_key == federation.credentials().access_key == "AK1"
    bench.source, bench.pool.always = FORGED, refused(Retry.NEVER)
    with pytest.raises(FederationRefusedError):
        federation.credentials()


def test_an_object_that_clients_hold_retains_its_users_credentials_while_their_next_token_cannot_be_exchanged(bench):
    federation = bench.federation(only_for="")
    federation.credentials()
    bench.source, bench.pool.always = Source([token("ada", "rotated")]), TemporaryError("down")
    bench.now += 2500
    result = federation.fetch()
    assert (result.credentials.access_key, result.only_here) == ("AK1", True)
    bench.pool.always = refused(Retry.NEVER)
    bench.now += 60
    with pytest.raises(FederationRefusedError):
        federation.fetch()
    assert bench.now < START + 3540


# In processes


@pytest.fixture
def forged(home: Home) -> str:
    return unsigned(sub="ada", iss=home.world.provider.issuer, aud="demo-client", exp=4_000_000_000)


@pytest.mark.parametrize("answers", ["ready", "forgotten"])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_forged_token_in_a_variable_gets_nothing_of_the_user_it_names(home, forged, answers, fixed):
    good = home.world.provider.issue("ada")
    home.profile("first", cognito_token_env="JOB_TOKEN")
    assert home.ask("first", JOB_TOKEN=good).key
    identity = json.loads(home.documents("identities")[0].read_text())["identity_id"]
    profile = home.profile("job", cognito_token_env="JOB_TOKEN", cognito_identity_id=identity if fixed else "")
    ada = home.ask(profile, JOB_TOKEN=good).key
    if answers == "forgotten":
        home.forget_answers()
    line = home.ask(profile, JOB_TOKEN=forged).refused(6)
    home.forget_answers()
    for path in home.documents("credentials"):
        path.unlink()
    assert home.ask(profile, JOB_TOKEN=forged).refused(6) == line
    assert ada


def test_a_forged_token_in_a_file_gets_nothing_of_the_user_it_names(home, forged):
    good = home.token.read_text()
    ada = home.ask("demo-native").key
    home.token.write_text(forged)
    home.ask("demo-native").refused(6)
    home.token.write_text(good)
    assert home.ask("demo-native").key == ada


def test_a_server_that_starts_with_a_forged_token_serves_nothing_of_the_user_it_names(home, forged):
    assert home.ask("demo-native").key
    home.token.write_text(forged)
    for words in (("serve", "--profile"), ("exec", "--server", "--profile")):
        done = home.run(*words, "demo-native", *(("--", "true") if words[0] == "exec" else ()))
        assert done.refused(6)


def test_processes_that_find_a_new_token_of_their_user_make_one_exchange_together(home):
    assert home.ask("demo-native").key
    home.token.write_text(home.world.provider.issue("ada", session="the next"))
    started = [home.start("credential-process", "--profile", "demo-native") for _ in range(6)]
    assert len({finished(each).key for each in started}) == 1
    assert home.spent == (1, 2)


def test_a_forged_token_from_the_address_in_a_variable_gets_nothing_of_the_user_it_names(home, forged, httpserver):
    said = {"value": home.world.provider.issue("ada")}
    httpserver.expect_request("/t").respond_with_handler(lambda _: Response(json.dumps(said)))
    home.profile("ci", cognito_token_url="github-actions")
    job = {"ACTIONS_ID_TOKEN_REQUEST_URL": httpserver.url_for("/t?v=1"), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
    assert home.ask("ci", **job).key
    said["value"] = forged
    home.ask("ci", **job).refused(6)


@pytest.mark.parametrize("resolved_first", [True, False])
@pytest.mark.parametrize("place", ["file", "variable"])
def test_natively_a_new_session_with_a_forged_token_gets_nothing_of_the_user_it_names(
    home, forged, place, resolved_first
):
    home.profile("job", cognito_token_env="JOB_TOKEN")
    good = home.token.read_text()
    profile = "demo-native" if place == "file" else "job"
    if not resolved_first:
        assert home.ask(profile, JOB_TOKEN=good).key
    program = f"""
make = lambda: boto3.Session(profile_name={profile!r}).get_credentials()
first = make().get_frozen_credentials()
with open(os.path.join(os.environ["HOME"], "token"), "w") as file: file.write(os.environ["FORGED"])
os.environ["JOB_TOKEN"] = os.environ["FORGED"]
try:
    tell(got=make().get_frozen_credentials().access_key)
except Exception as error:
    tell(error=type(error).__name__)
"""
    assert told(home, program, JOB_TOKEN=good, FORGED=forged) == {"error": "FederationRefusedError"}


def test_with_an_application_a_forged_token_gets_nothing_of_the_user_it_names(inside, forged):
    from botocore_cognito_federation import CognitoFederation

    world = inside.world
    federation = CognitoFederation(world.pool_id, endpoint_url=world.endpoint_url, cache="file")
    good = federation.federated_sign_in(world.provider.issuer, world.provider.issue("ada"))
    other = CognitoFederation(world.pool_id, endpoint_url=world.endpoint_url, cache="file")
    with pytest.raises(FederationRefusedError):
        other.federated_sign_in(world.provider.issuer, forged)
    assert good.access_key
