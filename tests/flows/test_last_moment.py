"""A helper that has no time left ends by itself, before the waiting SDK ends it."""

from __future__ import annotations

import time

import pytest

from tests.home import Home, Result, retimed

TEMPORARY = 7

HANGING = """
import os, time
from botocore_cognito_federation.cli import credential_process as long_way
from botocore_cognito_federation._fast_path import CacheQuery

def hang(question):
    with long_way._stdout_for_the_answer():  # as while a refresh handler runs
        time.sleep(60)

long_way._LAST_MOMENT, long_way.answer = 0.2, hang
long_way.answer_and_end(CacheQuery("demo", os.environ))
"""


def let_the_answer_be_stale(home: Home) -> None:
    (answer,) = home.answers()
    now = time.time()
    retimed(answer, issued=now - 1, refresh_at=now - 1)


@pytest.mark.thorough
def test_it_prints_usable_credentials_though_a_handler_has_redirected_its_output(home):
    cached = home.ask()
    assert cached.key
    let_the_answer_be_stale(home)
    assert home.python(HANGING) == Result(0, cached.out, b"")


def test_with_nothing_usable_it_says_to_try_again(home):
    assert "try again" in home.python(HANGING).refused(TEMPORARY)
