"""``cognito_fail_closed``: what a failing ``credential-process`` prints to stop clients from falling back.

Some SDKs treat a failing helper like one that has no credentials, and fall back to the role of the machine. For them
the answer to a failure is a set of credentials that cannot sign anything: every request is refused, and the key ID,
which AWS shows in errors and logs, says why. The credentials expire soon; expired ones would count as a failure.

This applies to every failure, also to a wrong configuration or a module that cannot be imported. So this file imports
only what the interpreter has already imported, and reads the one key by itself from any configuration file.
"""

from time import gmtime, strftime, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds after which a client asks again.
LIFETIME = 60
_REASONS = {
    3: "SIGN_IN_REQUIRED",
    4: "CONFIGURATION",
    5: "SIGN_IN_REFUSED",
    6: "REFUSED_BY_COGNITO_OR_STS",
    7: "TEMPORARY",
    8: "STORE_OR_LOCK",
}
_NO_SECRET = "no-secret-these-credentials-sign-for-no-identity"
_KEY, _SESSION_KEY = "cognito_fail_closed", "cognito_session"
_VARIABLE, _SESSION_VARIABLE = "COGNITO_FEDERATION_FAIL_CLOSED", "COGNITO_FEDERATION_SESSION"


def key_id_of(code: int) -> str:
    """Return the key ID that says why: IAM allows only letters, digits and underscores, and no real ID looks like this.

    Args:
        code: the exit code of the failure. The message is never shown: key IDs end up in the logs of other systems.
    """
    return f"FAILED_{_REASONS.get(code, 'UNEXPECTED')}_RUN_cognito_federation_doctor"


def answer_in_place_of(code: int, profile: str, config: str, environ: "Mapping[str, str]") -> "str | None":
    """Return what to print instead of a failure, or None unless ``cognito_fail_closed`` asks for it.

    Args:
        code: the exit code of the failure.
        profile: the profile's name.
        config: the path of the configuration file.
        environ: the environment.
    """
    if not is_asked_for(profile, config, environ):
        return None
    expiration = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(time() + LIFETIME))
    # No session token: AWS would complain about that first and not show the key ID.
    return (
        f'{{"Version":1,"AccessKeyId":"{key_id_of(code)}","SecretAccessKey":"{_NO_SECRET}",'
        f'"Expiration":"{expiration}"}}'
    )


def is_asked_for(profile: str, config: str, environ: "Mapping[str, str]") -> bool:
    """Return whether the key is set to anything but ``false``: a malformed value is a failure too."""
    value = environ.get(_VARIABLE)
    if not value:
        sections = _sections(config)
        own = sections.get(_title(f"profile {profile}"), {})
        session = environ.get(_SESSION_VARIABLE) or own.get(_SESSION_KEY)
        shared = sections.get(_title(f"cognito-session {session}"), {}) if session else {}
        value = own.get(_KEY) or shared.get(_KEY) or "false"
    return value.strip().lower() != "false"


def _sections(config: str) -> "dict[str, dict[str, str]]":
    """Return the two keys by section; readable lines count, even in a file that botocore refuses."""
    from os.path import isfile

    try:
        if not isfile(config):  # as botocore does: a pipe would block
            return {}
        with open(config, "rb") as file:
            text = file.read().decode("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return {}
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = found.setdefault(_title(line[1:].partition("]")[0]), {})
        elif line[:1].strip():
            end = min((place for place in (line.find("="), line.find(":")) if place > 0), default=len(line))
            key = line[:end].strip().lower()
            if key in (_KEY, _SESSION_KEY):
                section[key] = line[end + 1 :].strip()
    return found


def _title(section: str) -> str:
    """Return a section's title as botocore parses it: without quotes, its words separated by one space."""
    words = section.replace('"', "").replace("'", "").split()
    return " ".join(words[1:] if words == ["profile", "default"] else words)
