"""The built documentation site in a browser: what newcomers ask first leads to the page with the answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.servers.chromium import Tab, chromium

SITE = os.environ.get("BCF_TEST_SITE", "")

pytestmark = pytest.mark.skipif(not SITE, reason="tox -e docs builds the site")

#: What is typed into the search, and the page that has to come first.
QUESTIONS = {
    "how do I create the pool": "pool",
    "does it work with Keycloak": "providers/keycloak",
    "GitHub Actions": "jobs",
    "Claude Code": "bedrock",
    "refresh token expired": "troubleshooting",
    "SSO without IAM Identity Center": "why",
    "docker": "containers",
    "ECR password": "containers",
    "ECS task": "containers",
    "boto3 Flask users": "servers",
    "Amplify federatedSignIn Python": "python",
    "credential_process": "start",
}


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.mark.parametrize(("question", "page"), QUESTIONS.items(), ids=list(QUESTIONS))
def test_the_first_result_of_a_search_is_the_page_with_the_answer(tab: Tab, question: str, page: str) -> None:
    address = f"{(Path(SITE) / 'search.html').as_uri()}?{urlencode({'q': question})}"
    tab.go(address)
    tab.wait_for(f"location.href === '{address}' && document.querySelector('#search-results .search li a')")
    results = "[...document.querySelectorAll('#search-results .search li a')].map(link => link.getAttribute('href'))"
    first = str(tab.evaluate(results)[0])
    assert first.partition("#")[0] == f"{page}.html", tab.evaluate(results)
