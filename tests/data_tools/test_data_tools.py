"""The page of data tools: a few programs do what its table says, and nothing on it is left out of the whole run."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.clients.installer import Unavailable, promised
from tests.servers.own_network import is_possible

from .matrix import Result, run
from .page import Kind, lines, table
from .programs import FIXED, PROGRAMS


@pytest.fixture(scope="module")
def results() -> Mapping[str, Result]:
    try:
        return run(FIXED, lambda line, text: None)
    except Unavailable as reason:
        if promised():
            raise
        pytest.skip(str(reason))


@pytest.mark.slow
@pytest.mark.skipif(not is_possible(), reason="only root on Linux can have a machine of its own")
@pytest.mark.parametrize("name", FIXED)
def test_the_lines_of_a_program_do_what_the_page_says(results: Mapping[str, Result], name: str) -> None:
    assert results[name].failures == ()
    shown = {row.label: row.cells[2:] for row in table()}
    for row in results[name].rows:
        assert row.cells[2:] == shown[row.label]


@pytest.mark.thorough
def test_every_line_of_the_page_belongs_to_a_program_that_is_run() -> None:
    assert {line.program for line in lines()} == set(PROGRAMS)


@pytest.mark.thorough
def test_the_table_has_a_row_for_every_line_that_is_measured_and_no_other() -> None:
    assert [row.label for row in table()] == [line.label for line in lines() if line.kind is Kind.MEASURED]


@pytest.mark.thorough
def test_no_line_is_measured_as_what_it_is_not() -> None:
    text = """## One

<!-- fails: no such profile -->
```sh
AWS_PROFILE=dev one
```

```sh
cognito-federation exec --server --profile dev -- python job.py
```

<!-- job.py -->
```python
import one
```

<!-- as One with boto3 -->
```python
import two
```
"""
    fails, server, other = lines(text)
    assert (fails.kind, fails.words, fails.lasts) == (Kind.FAILS, "no such profile", False)
    assert (server.label, server.files) == ("One, `exec --server`", {"job.py": "import one\n"})
    assert (other.label, other.script, other.lasts) == ("One with boto3", "python line.python\n", True)
