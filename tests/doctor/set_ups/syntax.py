"""The syntax of the file: what no AWS tool can read, and what each reads otherwise than its writer meant."""

from __future__ import annotations

from .model import JOB, PROFILE_ONLY, ByHand, SetUp, job
from .place import Place

_LINES = JOB.splitlines(keepends=True)


def _moved_up(place: Place) -> None:
    """Move the lines of a section that is begun twice to where it is begun first."""
    first, second = place.config.read_text().rsplit("\n[", 1)
    title, _, more = second.partition("]\n")
    place.write(first.replace(f"[{title}]\n", f"[{title}]\n{more}", 1) + "\n")


def _flat(place: Place) -> None:
    lines = [line.strip() for line in place.config.read_text().splitlines()]
    place.write(
        "\n".join(f"cognito_{line}" if line.startswith(_NESTED) else line for line in lines if line != "cognito =")
    )


_NESTED = ("identity_pool_id", "provider", "issuer", "token_file")
_BLOCK = """\
cognito =
  identity_pool_id = $pool
  provider = $login_key
  issuer = $issuer
  token_file = $home/token
"""

ROWS = (
    SetUp(
        "spaces within the brackets of the profile's header",
        r"\[ profile dev \]",
        config=job("[profile dev]", "[ profile dev ]"),
    ),
    SetUp(
        "spaces within the brackets of the session's header",
        r"\[ cognito-session corp \]",
        config=job("[cognito-session corp]", "[ cognito-session corp ]"),
    ),
    SetUp(
        "two spaces in the session's header",
        r"line 6 .*\[cognito-session  ?corp\]",
        config=job("[cognito-session corp]", "[cognito-session  corp]"),
    ),
    SetUp(
        "a no-break space in the profile's header",
        r"[Ll]ine 1 of \S+config.*\[profile dev\]",
        config=job("[profile dev]", "[profile\u00a0dev]"),
    ),
    SetUp(
        "a quote that does not end in the profile's header",
        r'\[profile "dev\]',
        config=job("[profile dev]", '[profile "dev]'),
    ),
    SetUp(
        "no closing bracket of the first header",
        r"[Ll]ine 1 .*bracket",
        config=job("[profile dev]", "[profile dev"),
    ),
    SetUp(
        "no closing bracket of the session's header",
        r"[Ll]ine 6 .*bracket",
        config=job("[cognito-session corp]", "[cognito-session corp"),
    ),
    SetUp("a byte order mark", r"byte order mark", encoding="utf-8-sig"),
    SetUp("UTF-16, as an editor on Windows writes it", r"UTF-16", encoding="utf-16"),
    SetUp(
        "Latin-1 in a comment",
        r"[Ll]ine 1 .*UTF-8",
        config="# caf\u00e9\n" + JOB,
        encoding="latin-1",
    ),
    SetUp(
        "a key that is indented by a tab",
        r"[Ll]ine 3 .*indented.*region",
        config=job("cognito_session =", "\tcognito_session ="),
    ),
    SetUp(
        "keys of the session that are indented by spaces",
        r"[Ll]ine 8 .*indented.*cognito_identity_pool_id",
        config=job("cognito_provider =", "  cognito_provider ="),
    ),
    SetUp(
        "a token file below an indented key",
        r"[Ll]ine 10 .*indented.*cognito_issuer",
        config=job("cognito_token_file =", " cognito_token_file ="),
    ),
    SetUp(
        "an indented block in the session",
        r"cognito_settings.*line 8",
        config=job("cognito_provider =", "cognito_settings =\n  cognito_provider ="),
    ),
    SetUp(
        "an indented block named cognito in the profile",
        r"'?cognito'? .*indented block",
        ByHand(r"flat", _flat),
        config=PROFILE_ONLY.replace("cognito_session = corp\n", _BLOCK),
    ),
    SetUp(
        "a value on the line below its key",
        r"[Ll]ine 7 .*cognito_identity_pool_id",
        config=job("cognito_identity_pool_id = ", "cognito_identity_pool_id =\n    "),
    ),
    SetUp(
        "the profile begun twice",
        r"[Ll]ine 12 .*\[profile dev\].*second time",
        ByHand(r"[Mm]ove .*line 12.*line 1\b", _moved_up),
        config=job(more="\n[profile dev]\noutput = json"),
    ),
    SetUp(
        "the session begun twice",
        r"[Ll]ine 12 .*\[cognito-session corp\].*second time",
        ByHand(r"[Mm]ove .*line 12.*line 6\b", _moved_up),
        config=job(more="\n[cognito-session corp]\ncognito_cache = memory"),
    ),
    SetUp(
        "a key given twice",
        r"[Ll]ine 11 .*cognito_provider.*second time",
        config=job(more="cognito_provider = google"),
    ),
    SetUp(
        "a key given twice in other case",
        r"[Ll]ine 11 .*cognito_provider.*second time",
        config=job(more="Cognito_Provider = google"),
    ),
    SetUp(
        "a key without an equals sign",
        r"[Ll]ine 3 .*=",
        config=job("cognito_session = corp", "cognito_session corp"),
    ),
    SetUp(
        "a key of the session without an equals sign",
        r"[Ll]ine 8 .*=",
        config=job("cognito_provider = ", "cognito_provider "),
    ),
    SetUp(
        "a line before the first section",
        r"[Ll]ine 1 .*before the first",
        config="output = json\n" + JOB,
    ),
    SetUp(
        "export in front of a key",
        r"export cognito_session",
        config=job("cognito_session = ", "export cognito_session = "),
    ),
    SetUp(
        "typographic quotes around a name",
        r"cognito_session.*quot",
        config=job("cognito_session = corp", "cognito_session = \u201ccorp\u201d"),
    ),
    SetUp(
        "an invisible character in a key",
        r"invisible",
        config=job("cognito_session =", "cognito_session\u200b ="),
    ),
    SetUp(
        "text behind a key that no reader takes for one",
        r"[Ll]ine 4 .*=",
        config=job("credential_process = ", "see the wiki\ncredential_process = "),
    ),
)
