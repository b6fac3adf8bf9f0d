"""How often a cold start reads private files, digests keys and makes fetchers, counted and not timed."""

from __future__ import annotations

import pytest

from tests.botocore_plugin.test_ready_natively import told
from tests.home import Home

COUNTING = """
import threading
counts = {"read_private": 0, "cache_key": 0, "CredentialFetcher": 0}
def profile(frame, event, argument):
    if event != "call": return
    code = frame.f_code
    if "botocore_cognito_federation" not in code.co_filename: return
    if code.co_name in ("read_private", "cache_key"): counts[code.co_name] += 1
    made = type(frame.f_locals.get("self")).__name__ if code.co_name == "__post_init__" else None
    if made == "CredentialFetcher": counts["CredentialFetcher"] += 1
threading.setprofile(profile)
sys.setprofile(profile)
boto3.Session(profile_name=os.environ["PROFILE"]).get_credentials().get_frozen_credentials()
sys.setprofile(None)
tell(**counts)
"""


@pytest.mark.thorough
@pytest.mark.parametrize("profile", ["demo-native", "job"])
def test_a_native_cold_start_makes_one_fetcher_and_identifies_the_user_once(home: Home, profile: str) -> None:
    home.profile("job", cognito_token_env="JOB_TOKEN")
    found = told(home, COUNTING, PROFILE=profile, JOB_TOKEN=home.world.provider.issue("ada"))
    assert found["CredentialFetcher"] == 1
    assert found["read_private"] <= 22
    assert found["cache_key"] <= 24
