"""``credential-process``: the long way, for whoever found no answer ready."""

from __future__ import annotations

import os
import sys

import click

from ..assembly import federation_for
from ..errors import CognitoFederationError
from ..failure_memory import rest_after
from ..process import Question, finish
from ..profile_chain import environment_for_children, refuse_a_circle
from ..ready_answer import bindings_of, keep_failure, keep_served, process_text
from ..settings import load_settings
from ..tokens import token_bindings
from .options import profile_option


def answer(question: Question) -> tuple[int, str]:
    """The exit code, and the JSON object or the message; both are kept for the processes that ask next.

    Raises nothing: an error that is not ours is a fault of this product, and says no more than its name, because its
    text may hold anything.
    """
    bindings: str | None = ""
    try:
        refuse_a_circle(os.environ, question.profile)
        settings = load_settings(question.profile)
        bindings = bindings_of(settings, token_bindings(settings), question)
        if settings.refresh_handler or settings.developer_user:
            # What they start in this process, such as the AWS CLI, inherits the chain from here.
            os.environ.update(environment_for_children(os.environ, settings.profile))
        served = federation_for(settings).serve()
    except CognitoFederationError as error:
        at, retry_at = rest_after(error)
        keep_failure(question, bindings, error, at=at, retry_at=retry_at)
        return error.exit_code, error.line
    except Exception as error:  # noqa: BLE001 - a traceback would quote values that may be secret
        name = type(error).__name__
        return 1, f"Unexpected {name} in botocore-cognito-federation. Run the same with COGNITO_FEDERATION_DEBUG=1"
    keep_served(question, bindings, served)
    return 0, process_text(served)


@click.command("credential-process")
@profile_option
def command(profile: str | None) -> None:
    """Print credentials as SDKs ask for them in credential_process."""
    code, text = answer(Question(profile, dict(os.environ)))
    sys.stdout.flush()
    finish(code, text)
