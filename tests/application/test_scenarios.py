"""Which test proves which scenario: mistakes and open questions of Amplify and similar libraries, and the result here.

The numbers are those under which the scenarios were collected. A test that is renamed has to be renamed here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

SCENARIOS: dict[str, dict[str, tuple[str, ...]]] = {
    "1. Logins keys: aliases, unknown domains, issuers with a path, partitions; one provider for handlers": {
        "application/test_requests.py": (
            "a_provider_goes_under_its_logins_key_in_every_spelling",
            "a_developer_token_goes_under_the_key_of_its_own_partition",
        ),
        "application/test_renewal.py": ("an_alias_and_its_domain_are_one_provider_for_handlers",),
        "oidc/test_identity_providers.py": (
            "any_domain_or_issuer_is_a_provider_and_its_key_has_the_same_path_case_and_port",
            "a_derived_key_loses_the_scheme_and_one_slash_and_nothing_else",
            "a_configured_key_wins",
        ),
    },
    "2. An empty token is refused before any call, and a user never becomes a guest": {
        "application/test_sign_in.py": (
            "an_empty_token_is_refused_before_any_call",
            "guest_is_the_only_way_to_unauthenticated_access",
            "after_a_refused_token_the_user_is_not_signed_in_and_never_a_guest",
        ),
    },
    "3. Developer identities: no identity ID is an error at once, GetId is never called, the ID is carried over": {
        "application/test_sign_in.py": (
            "a_developer_sign_in_without_identity_id_is_refused_before_any_call",
            "a_developer_sign_in_never_calls_get_id",
        ),
        "application/test_renewal.py": ("a_developer_handler_that_omits_identity_id_means_the_previous_one",),
    },
    "4. expires_at in every spelling and every absurdity; exp == now; clocks that differ; opaque tokens": {
        "application/test_sign_in.py": (
            "an_absurd_expires_at_is_refused_by_name_before_any_call",
            "expires_at_takes_seconds_milliseconds_and_aware_datetimes",
            "the_earlier_of_expires_at_and_the_tokens_own_exp_counts",
            "an_opaque_token_without_expires_at_has_no_expiry",
        ),
        "application/test_expiry.py": (
            "a_token_is_renewed_from_120_seconds_before_its_exp_on_and_at_exp_it_has_expired",
            "without_a_handler_a_token_is_tried_until_five_minutes_after_its_exp_because_cognitos_clock_counts",
            "with_a_clock_some_minutes_off_sign_in_and_renewal_work_and_cost_no_more",
            "with_a_clock_behind_a_token_that_only_cognito_calls_expired_is_renewed_exactly_once",
            "what_a_handler_says_of_an_opaque_tokens_expiry_counts_in_each_spelling",
        ),
    },
    "5. The refresh matrix": {
        "application/test_refresh_matrix.py": (
            "a_renewal_makes_just_the_calls_of_the_contract_and_never_signs_the_user_out",
        ),
    },
    "6. An expired or identical token from the handler ends; 'Token expired' costs one forced refresh": {
        "application/test_renewal.py": (
            "an_expired_token_from_the_handler_ends_in_an_error_without_a_loop",
            "the_same_token_again_ends_in_cognitos_refusal_without_a_loop",
            "a_token_that_cognito_calls_expired_is_renewed_exactly_once",
        ),
    },
    "7. After a refusal of the exchange, the token of a good refresh stays": {
        "application/test_renewal.py": ("an_exchange_that_fails_after_a_good_refresh_stores_the_new_token",),
        "application/test_handlers.py": ("an_oidc_handler_spends_refresh_tokens_and_reports_each_rotation_first",),
        "sign_in/test_living_on.py": ("a_process_killed_after_the_rotated_token_was_stored_loses_nothing",),
    },
    "8. Seven attempts over 13 s; NonRetryableError stops at one; there is a deadline": {
        "application/test_renewal.py": (
            "network_failures_are_tried_again_for_some_thirteen_seconds_then_raised",
            "definitive_and_programming_errors_are_raised_after_one_attempt",
        ),
        "login_tokens/test_handler_source.py": ("time_is_not_wasted_on_pauses_beyond_the_limit",),
    },
    "9. A handler that calls back gets an error; threads, processes and forks make one call; a lock outlives nobody": {
        "application/test_concurrency.py": (
            "a_handler_that_calls_back_gets_a_clear_error_at_once",
            "sixteen_threads_at_an_expired_token_make_one_handler_call_and_one_exchange",
            "eight_processes_at_an_expired_token_make_one_handler_call_and_one_exchange",
            "a_child_that_is_forked_during_a_renewal_renews_for_itself",
        ),
        "cache/test_storage.py": ("killed_at_any_step_the_next_process_works_and_spends_at_most_once_more",),
    },
    "10. Sign-out during a refresh stays signed out": {
        "application/test_concurrency.py": (
            "sign_out_wins_over_a_refresh_in_flight",
            "a_sign_in_by_another_user_during_a_refresh_wins_over_it",
        ),
    },
    "11. A stale identity is looked up once, a missing pool never": {
        "application/test_renewal.py": (
            "an_identity_that_is_gone_is_looked_up_again_once",
            "a_pool_that_is_gone_is_not_looked_up_again",
        ),
        "flows/test_federation.py": (
            "a_stale_identity_is_dropped_and_looked_up_once",
            "an_identity_that_is_refused_again_after_the_look_up_is_an_error_and_no_loop",
            "a_refusal_of_another_kind_does_not_cost_the_identity",
        ),
    },
    "12. A merged identity is adopted, persisted and reported, old and new; a linking conflict is named": {
        "application/test_linking.py": (
            "a_merged_identity_is_adopted_persisted_and_reported_with_old_and_new_id",
            "a_merge_that_another_process_made_is_found_at_the_next_renewal",
            "a_linking_conflict_is_an_error_that_names_it_and_changes_nothing",
        ),
        "identity_pool/test_linked_logins.py": ("two_users_of_one_provider_cannot_be_linked",),
    },
    "13. No guest after a failure; an application without guests makes no call": {
        "application/test_requests.py": (
            "no_call_for_a_guest_is_ever_made_for_a_user_whose_renewal_is_refused",
            "an_application_that_wants_no_guests_makes_no_call_while_the_user_is_not_signed_in",
        ),
        "application/test_renewal.py": ("no_failure_of_a_handler_ever_signs_the_user_out_or_makes_a_guest_of_them",),
    },
    "14. Users, pools and profiles share no entries; another account replaces everything": {
        "application/test_sign_in.py": (
            "two_users_of_one_pool_do_not_share_anything",
            "signing_in_as_another_user_replaces_everything",
        ),
        "application/test_renewal.py": ("another_users_sign_in_in_the_same_cache_is_never_taken_for_the_own",),
        "cache/test_freshness_keys_and_files.py": ("everything_that_shapes_credentials_is_in_their_key",),
        "flows/test_single_flight.py": ("profiles_of_two_pools_have_two_identities",),
    },
    "15. Damage, permissions, read-only places, atomic writes": {
        "application/test_renewal.py": (
            "a_damaged_record_means_not_signed_in_and_an_unwritable_place_costs_only_the_cache",
        ),
        "cache/test_storage.py": (
            "a_damaged_document_is_a_miss_noted_and_written_afresh",
            "files_are_0600_in_directories_0700_whatever_the_umask",
            "in_a_read_only_directory_warm_and_cold_calls_work",
        ),
        "cache/test_freshness_keys_and_files.py": ("a_private_file_gives_back_what_was_written",),
    },
    "16. In botocore: first and last in the chain, no recursion, unsigned, aware of time zones": {
        "botocore_plugin/test_places_in_the_chain.py": (
            "the_provider_works_as_the_first_and_as_the_last_of_a_chain",
            "aws_profile_may_point_to_the_profile_itself",
            "a_credential_process_of_the_default_profile_does_not_start_itself",
            "our_own_calls_are_unsigned_and_resolve_no_credentials_whatever_keys_the_environment_has",
            "what_refreshes_answers_a_mapping_and_the_expiry_is_aware_of_its_time_zone",
            "credentials_that_are_expired_after_the_refresh_are_an_error_of_this_package_and_never_used",
        ),
    },
    "17. The custom role at every exchange; the basic flow; developers skip GetOpenIdToken": {
        "application/test_requests.py": ("the_custom_role_goes_with_every_exchange",),
        "application/test_sign_in.py": ("the_custom_role_is_asked_for_and_the_basic_flow_asks_sts",),
        "identity_pool/test_basic_flow.py": (
            "the_calls_are_get_id_get_open_id_token_and_sts",
            "the_pools_token_is_had_anew_for_each_renewal",
            "a_duration_beyond_the_roles_own_names_the_key",
        ),
        "login_tokens/test_developer.py": ("the_basic_flow_takes_the_developer_token_to_sts",),
    },
    "18. Credentials have their expiration": {
        "application/test_sign_in.py": (
            "essential_gives_what_any_client_call_takes_and_the_credentials_have_their_expiration",
        ),
        "flows/test_warm_path.py": ("the_second_process_prints_the_same_bytes_for_no_call",),
    },
    "19. client_metadata and validation_data reach exactly their fields; ChangePassword has none": {
        "user_pool/test_sign_in_requests.py": (
            "validation_data_or_else_client_metadata_reaches_initiate_auth_and_client_metadata_every_answer",
            "metadata_that_is_not_strings_is_refused_before_any_call",
        ),
        "user_pool/test_account_requests.py": (
            "client_metadata_or_else_the_pools_own_reaches_the_operation",
            "an_operation_without_the_field_refuses_client_metadata_and_ignores_the_pools_own",
            "validation_data_may_be_the_apis_list_too",
        ),
        "application/test_user_pool_federation.py": ("custom_auth_federates_and_its_triggers_see_client_metadata",),
    },
    "20. Events in order, whole, harmless and without a secret": {
        "application/test_events.py": (
            "each_step_is_reported_once_and_in_order_failures_included",
            "there_are_eight_names_and_each_is_emitted",
            "an_exception_of_a_listener_is_logged_and_stops_nothing",
            "a_listener_may_sign_in_again_when_a_renewal_failed",
            "an_event_is_frozen_and_nothing_that_a_listener_does_to_its_user_reaches_the_federation",
            "no_secret_is_in_a_log_a_repr_an_exception_or_an_event",
        ),
    },
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_the_tests_that_prove_it(scenario: str) -> None:
    for file, sentences in SCENARIOS[scenario].items():
        there = set(re.findall(r"^def test_(\w+)\(", (TESTS / file).read_text(encoding="utf-8"), re.MULTILINE))
        assert set(sentences) <= there, file


def test_the_scenarios_are_twenty() -> None:
    assert [scenario.split(".")[0] for scenario in SCENARIOS] == [str(number) for number in range(1, 21)]
