"""What a row of the table is: a broken set-up, what the first failing line and `doctor` say of it, and its remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .place import Place

#: The words of a command; ``$name`` is replaced by the place's fact of that name.
Words = tuple[str, ...]

CREDENTIALS: Words = ("cognito-federation", "credential-process", "--profile", "dev")
DOCTOR: Words = ("cognito-federation", "doctor", "--profile", "dev")
LOGIN: Words = (
    *("cognito-federation", "login", "--profile", "dev", "--timeout", "4"),
    *("--browser-command", "$python $browser %s"),
)
#: Any program on boto3 (the AWS CLI among them): the last line of its error is botocore's.
BOTO3: Words = ("$python", "-c", "import boto3; boto3.Session(profile_name='dev').client('s3').list_buckets()")

JOB = """\
[profile dev]
region = eu-west-1
cognito_session = corp
credential_process = $helper credential-process --profile dev

[cognito-session corp]
cognito_identity_pool_id = $pool
cognito_provider = $login_key
cognito_issuer = $issuer
cognito_token_file = $home/token
"""

PERSON = """\
[profile dev]
region = eu-west-1
cognito_session = corp
credential_process = $helper credential-process --profile dev

[cognito-session corp]
cognito_identity_pool_id = $pool
cognito_provider = $op
cognito_client_id = cli
cognito_redirect_ports = 0
"""

#: The profile without its session.
PROFILE_ONLY = JOB.partition("\n[cognito-session")[0] + "\n"


@dataclass(frozen=True)
class Dash:
    """A column that does not apply to a row.

    Attributes:
        reason: why not, one sentence.
    """

    reason: str


@dataclass(frozen=True)
class Literal:
    """The remedy is applied as it is printed: commands in a shell, keys in the file, variables in the environment.

    Attributes:
        values: what the user puts in for a placeholder such as ``REGION:GUID``.
        of_doctor: take it from what `doctor` prints, because the first line comes from another program.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    of_doctor: bool = False


@dataclass(frozen=True)
class ByHand:
    """The remedy is done outside of this machine's files, such as at the provider or in the AWS account.

    Attributes:
        says: a regular expression that the printed remedy has to match.
        act: does what it says.
        of_doctor: look for it in what `doctor` prints.
    """

    says: str
    act: Callable[[Place], object]
    of_doctor: bool = False


@dataclass(frozen=True)
class SetUp:
    """One row.

    Attributes:
        name: what is wrong, in a few words; unique in the table.
        says: a regular expression that the last line of the failing command must match: it names the cause.
        doctor: the same for what `doctor` prints besides what is in order; None means `says`.
        remedy: how the printed remedy is applied.
        config: the text of ``~/.aws/config``; ``$name`` is replaced by the place's fact of that name.
        encoding: of that file.
        prepare: what else is to be done in the place before.
        environ: variables of every process; None takes one away.
        command: the command that fails.
        before: commands that are run first and have to succeed.
        works: the command that must succeed after the remedy; None means the one that failed.
        token: keyword arguments of the token that the job's file holds; None leaves the file out.
    """

    name: str
    says: str | Dash
    remedy: Literal | ByHand | Dash = field(default_factory=Literal)
    doctor: str | Dash | None = None
    config: str = JOB
    encoding: str = "utf-8"
    prepare: Callable[[Place], object] | None = None
    environ: Mapping[str, str | None] = field(default_factory=dict)
    command: Words = CREDENTIALS
    before: tuple[Words, ...] = ()
    works: Words | None = None
    token: Mapping[str, object] | None = field(default_factory=dict)


def job(old: str = "", new: str = "", *, more: str = "", profile: str = "") -> str:
    """The configuration of a job, with a text replaced, lines added to its session and to its profile."""
    return _changed(JOB, old, new, more, profile)


def person(old: str = "", new: str = "", *, more: str = "", profile: str = "") -> str:
    """The same of somebody who signs in."""
    return _changed(PERSON, old, new, more, profile)


def _changed(text: str, old: str, new: str, more: str, profile: str) -> str:
    assert not old or old in text, old
    text = text.replace(old, new) if old else text
    if profile:
        text = text.replace("\n\n[cognito-session", f"\n{profile}\n\n[cognito-session", 1)
    return text + (f"{more}\n" if more else "")
