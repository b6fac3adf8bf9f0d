"""What a cold start reads, digests, loads and makes, counted and not timed."""

from __future__ import annotations

import json
import os
import shutil

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


QUICK = """
    import json, os, runpy, sys
    before, made, end = set(sys.modules), [], os._exit
    def profile(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "_process_class":
            made.append(frame.f_locals["cls"].__name__)
    def spy(code):
        sys.setprofile(None)
        os.write(2, json.dumps({"made": made, "loaded": sorted(set(sys.modules) - before)}).encode())
        end(code)
    os._exit = spy
    sys.argv = ["cognito-federation", "credential-process", "--profile", "demo"]
    sys.setprofile(profile)
    runpy.run_module("botocore_cognito_federation", run_name="__main__", alter_sys=True)
"""
#: The modules of the package that a helper without a cached answer runs, and the most data classes that they may make:
#: each costs as much as the whole answer of a warm helper does.
QUICK_MODULES = {
    "_fast_path",
    "_util",
    "_util.files",
    "cache",
    "cache.answers",
    "cache.base",
    "cache.file",
    "cli",
    "cli.quick",
    "config",
    "config.plain",
    "credentials",
    "identity_pool",
    "identity_pool.quick",
    "login_token",
    "messages",
}
QUICK_CLASSES = 11


@pytest.mark.skipif(os.name == "nt", reason="Windows has no quick way")
def test_a_cold_helper_loads_these_modules_and_makes_no_class_that_it_does_not_need(home: Home) -> None:
    home.python(QUICK)  # byte code is written
    shutil.rmtree(home.cache)
    found = json.loads(home.python(QUICK).err)
    package = "botocore_cognito_federation."
    assert {name.removeprefix(package) for name in found["loaded"] if name.startswith(package)} <= QUICK_MODULES
    assert len(found["made"]) <= QUICK_CLASSES, found["made"]
    costly = {"configparser", "email", "http.client", "logging", "ssl", "subprocess", "threading", "urllib", "uuid"}
    assert costly.isdisjoint(found["loaded"])
