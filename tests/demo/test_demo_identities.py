"""Identities: one for each subject, new ones for guests, linking, merging, unlinking, deletion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from botocore_cognito_federation.demo import World

pytestmark = pytest.mark.thorough

NO_MATCH = "Logins don't match. Please include at least one valid login for this identity or identity pool."


@pytest.fixture
def get_id(world: World, cognito: Any) -> Any:
    def call(logins: dict[str, str] | None = None, pool_id: str = "") -> str:
        extra = {} if logins is None else {"Logins": logins}
        return str(cognito.get_id(IdentityPoolId=pool_id or world.pool_id, **extra)["IdentityId"])

    return call


@pytest.fixture
def second_login(world: World) -> Any:
    return lambda subject="ada2": {world.second_provider.login_key: world.second_provider.issue(subject)}


def test_one_subject_has_one_identity_whatever_its_token(get_id: Any, logins: Any) -> None:
    assert get_id(logins("ada")) == get_id(logins("ada")) != get_id(logins("bob"))


def test_the_same_subject_is_another_identity_in_another_pool(world: World, get_id: Any, logins: Any) -> None:
    assert get_id(logins("ada")) != get_id(logins("ada"), world.classic_pool_id)


def test_the_same_subject_at_another_provider_is_another_identity(get_id: Any, logins: Any, second_login: Any) -> None:
    assert get_id(logins("ada")) != get_id(second_login("ada"))


def test_sixteen_calls_at_once_for_a_new_subject_make_one_identity(get_id: Any, logins: Any) -> None:
    login = logins("crowd")
    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(get_id, [login] * 16))) == 1


def test_each_guest_call_makes_a_new_identity(world: World, get_id: Any) -> None:
    assert get_id(None, world.guest_pool_id) != get_id(None, world.guest_pool_id)


def test_guests_are_refused_where_the_pool_has_them_off(world: World, cognito: Any, refused: Any) -> None:
    expected = "Unauthenticated access is not supported for this identity pool."
    assert refused(cognito.get_id, IdentityPoolId=world.pool_id).message == expected
    assert refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins={}).message == expected


def test_an_unknown_pool_and_an_unknown_identity_are_not_found(cognito: Any, refused: Any) -> None:
    unknown = "eu-west-1:00000000-0000-0000-0000-000000000000"
    answer = refused(cognito.get_id, IdentityPoolId=unknown)
    assert (answer.code, answer.message) == ("ResourceNotFoundException", f"IdentityPool '{unknown}' not found.")
    for operation in (cognito.get_credentials_for_identity, cognito.get_open_id_token):
        answer = refused(operation, IdentityId=unknown)
        assert (answer.code, answer.message) == ("ResourceNotFoundException", f"Identity '{unknown}' not found.")


def test_forgotten_identities_are_not_found_and_the_next_is_new(
    world: World, cognito: Any, refused: Any, get_id: Any, logins: Any
) -> None:
    before = get_id(logins())
    world.forget_identities()
    answer = refused(cognito.get_credentials_for_identity, IdentityId=before, Logins=logins())
    assert answer.message == f"Identity '{before}' not found."
    assert get_id(logins()) != before


def test_an_identity_with_logins_is_forbidden_without_any(cognito: Any, refused: Any, get_id: Any, logins: Any) -> None:
    identity_id = get_id(logins())
    answer = refused(cognito.get_credentials_for_identity, IdentityId=identity_id)
    assert (answer.code, answer.message) == (
        "NotAuthorizedException",
        f"Access to Identity '{identity_id}' is forbidden.",
    )


def test_another_users_token_does_not_match(cognito: Any, refused: Any, get_id: Any, logins: Any) -> None:
    answer = refused(cognito.get_credentials_for_identity, IdentityId=get_id(logins("ada")), Logins=logins("bob"))
    assert answer.message == NO_MATCH


def test_a_second_login_is_linked_and_then_enough_alone(
    cognito: Any, get_id: Any, logins: Any, second_login: Any
) -> None:
    both = {**logins("ada"), **second_login()}
    identity_id = get_id(logins("ada"))
    assert cognito.get_credentials_for_identity(IdentityId=identity_id, Logins=both)["IdentityId"] == identity_id
    assert get_id(second_login()) == identity_id
    assert cognito.get_credentials_for_identity(IdentityId=identity_id, Logins=second_login())["Credentials"]


def test_a_failed_call_links_nothing(
    world: World, cognito: Any, refused: Any, get_id: Any, logins: Any, second_login: Any
) -> None:
    identity_id = get_id(logins("ada"))
    both = {**logins("ada"), **second_login()}
    assert refused(cognito.get_open_id_token, IdentityId=identity_id, Logins=both).code == "InvalidParameterException"
    assert get_id(second_login()) != identity_id


def test_merging_disables_the_younger_identity_and_answers_the_older(
    cognito: Any, refused: Any, get_id: Any, logins: Any, second_login: Any
) -> None:
    older, younger = get_id(logins("ada")), get_id(second_login())
    both = {**logins("ada"), **second_login()}
    answer = cognito.get_credentials_for_identity(IdentityId=younger, Logins=both)
    assert answer["IdentityId"] == older != younger
    assert get_id(second_login()) == older
    gone = refused(cognito.get_credentials_for_identity, IdentityId=younger, Logins=second_login())
    assert gone.message == f"Access to Identity '{younger}' is forbidden."
    assert refused(cognito.get_credentials_for_identity, IdentityId=younger).message == gone.message


def test_a_guest_who_signs_in_retains_the_identity(world: World, cognito: Any, get_id: Any, logins: Any) -> None:
    guest = get_id(None, world.guest_pool_id)
    answer = cognito.get_credentials_for_identity(IdentityId=guest, Logins=logins("newcomer"))
    assert answer["IdentityId"] == guest == get_id(logins("newcomer"), world.guest_pool_id)


def test_a_guest_who_signs_in_as_a_known_subject_gets_that_identity(
    world: World, cognito: Any, refused: Any, get_id: Any, logins: Any
) -> None:
    guest = get_id(None, world.guest_pool_id)
    known = get_id(logins("ada"), world.guest_pool_id)
    assert cognito.get_credentials_for_identity(IdentityId=guest, Logins=logins("ada"))["IdentityId"] == known
    assert "is forbidden" in refused(cognito.get_credentials_for_identity, IdentityId=guest).message


def test_two_subjects_of_one_provider_cannot_be_linked(
    world: World, cognito: Any, refused: Any, get_id: Any, logins: Any, second_login: Any
) -> None:
    get_id({**logins("ada"), **second_login("one")})
    answer = refused(cognito.get_id, IdentityPoolId=world.pool_id, Logins={**logins("bob"), **second_login("one")})
    assert (answer.code, answer.status) == ("ResourceConflictException", 400)
    assert get_id(second_login("one")) == get_id(logins("ada")) != get_id(logins("bob"))


def test_an_unlinked_login_is_a_new_identity_next_time(
    world: World, cognito: Any, get_id: Any, logins: Any, second_login: Any
) -> None:
    both = {**logins("ada"), **second_login()}
    identity_id = get_id(both)
    cognito.unlink_identity(
        IdentityId=identity_id, Logins=logins("ada"), LoginsToRemove=[world.second_provider.login_key]
    )
    assert get_id(logins("ada")) == identity_id != get_id(second_login())


def test_an_identity_without_its_last_login_is_inaccessible(
    world: World, cognito: Any, refused: Any, get_id: Any, logins: Any
) -> None:
    identity_id = get_id(logins("ada"))
    cognito.unlink_identity(IdentityId=identity_id, Logins=logins("ada"), LoginsToRemove=[world.provider.login_key])
    assert "is forbidden" in refused(cognito.get_credentials_for_identity, IdentityId=identity_id).message
    again = refused(cognito.get_credentials_for_identity, IdentityId=identity_id, Logins=logins("ada"))
    assert again.message == NO_MATCH


def test_another_user_cannot_unlink(world: World, cognito: Any, refused: Any, get_id: Any, logins: Any) -> None:
    identity_id = get_id(logins("ada"))
    remove = [world.provider.login_key]
    answer = refused(cognito.unlink_identity, IdentityId=identity_id, Logins=logins("bob"), LoginsToRemove=remove)
    assert answer.message == NO_MATCH
    assert get_id(logins("ada")) == identity_id
