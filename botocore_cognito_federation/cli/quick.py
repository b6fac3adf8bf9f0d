"""``credential-process`` the quick way, in the plain case: a profile with a token file, and no botocore.

It takes the same locks and reads and writes the same documents as the long way (`fetcher`), by the same functions, and
ends the process only with credentials. In every other case it returns, and the long way does everything: a refusal, a
failure that is remembered, credentials that are still fresh, a place that cannot be written. Its messages are the only
ones. A test asks both ways about answers and refusals of the demo's identity pool and compares what comes of it.
"""

from __future__ import annotations

import os
from contextlib import closing
from time import time
from typing import TYPE_CHECKING

from .._fast_path import exit_with
from .._util.files import read_regular_file
from ..cache.answers import AnswerWriter, process_text
from ..cache.base import (
    CREDENTIALS,
    FAILURES,
    IDENTITIES,
    credentials_key,
    current_epoch,
    identity_key,
    read_current,
    user_fingerprint,
)
from ..cache.file import FileStore
from ..config.plain import endpoint_of, plain_settings
from ..credentials import (
    FederatedCredentials,
    FetchResult,
    document_of,
    exchanged_tokens,
    identity_document,
    identity_in,
    is_fresh,
    is_identity_id,
    is_usable,
    refresh_at,
    tokens_in,
)
from ..identity_pool.quick import QuickPool, UnusualError, Vended
from ..login_token import MOST_CHARACTERS, Login, LoginToken
from ..messages import SKEW_WORTH_A_WORD, clock_difference

if TYPE_CHECKING:
    from .._fast_path import CacheQuery
    from ..cache.base import Store
    from ..config.plain import PlainSettings

#: Characters of a `Logins` key (GetId, IdentityProviderName).
_LONGEST_KEY = 128


def answer_if_plain(query: CacheQuery) -> None:
    """End the process with new credentials in the plain case; in any other return, and the long way begins anew."""
    try:
        text = _fetched(query)
    except Exception:  # noqa: BLE001 - whatever it was, the long way meets it too, and has the words for it
        return
    exit_with(0, text)


def _fetched(query: CacheQuery) -> str:
    settings = plain_settings(query)
    if settings is None or not os.path.isabs(query.directory):
        raise UnusualError
    store = FileStore(query.directory)
    answers = AnswerWriter(query, settings.as_settings(), lambda: (("file", settings.token_file),))
    state = answers.begin()  # before the token is read
    if state is None:
        raise UnusualError
    login = _login(settings)
    key = credentials_key(settings.as_settings(), login)
    with store.lock(key, timeout=0) as taken:
        if not taken or store.read(FAILURES, key) is not None:
            raise UnusualError
        epoch = current_epoch(store, settings.scope)
        before = _refuse_fresh(store, key, login, settings)
        credentials = _exchanged(settings, store, login)
        tokens = exchanged_tokens(before, credentials, login)
        store.write(CREDENTIALS, key, document_of(credentials, tokens, settings.as_settings(), login, epoch))
        if epoch != current_epoch(store, settings.scope):
            store.delete(CREDENTIALS, key)  # a sign-out wins
            raise UnusualError
        result = FetchResult(credentials, refresh_at(credentials, settings.refresh_window), user_fingerprint(login))
        answers.put(state, result)
        return process_text(result)


def _login(settings: PlainSettings) -> Login:
    """The login of the token in the file, if it is a JWT that has not expired and says whose it is."""
    text = read_regular_file(settings.token_file, MOST_CHARACTERS + 1).decode("ascii").strip()
    token = LoginToken.of(text)
    issuer, subject = token.issuer or "", token.claims.get("sub")
    key = settings.login_key
    if key is None and issuer.startswith(("https://", "http://")):
        key = issuer.partition("://")[2].removesuffix("/")
    if not key or len(key) > _LONGEST_KEY or not isinstance(subject, str) or not subject:
        raise UnusualError
    if len(text) > MOST_CHARACTERS or not text.isprintable() or " " in text:
        raise UnusualError
    if "exp" in token.claims and (token.expires_at is None or token.expires_at <= time()):
        raise UnusualError
    return Login(key, token)


def _refuse_fresh(store: Store, key: str, login: Login, settings: PlainSettings) -> dict[str, float]:
    """The tokens that what is cached answers to.

    Raises:
        UnusualError: it answers to this one and is fresh.
    """
    document = read_current(store, CREDENTIALS, key) or {}
    before = tokens_in(document)
    if login.token.digest in before:
        cached = FederatedCredentials.from_document(document)
        if cached is not None and is_fresh(cached, settings.refresh_window, time()):
            raise UnusualError
    return before


def _exchanged(settings: PlainSettings, store: Store, login: Login) -> FederatedCredentials:
    """Credentials for the login, by a connection of its own."""
    region = settings.identity_pool_id.partition(":")[0]
    endpoint = endpoint_of(settings.endpoint or f"https://cognito-identity.{region}.amazonaws.com")
    if endpoint is None:
        raise UnusualError
    bundle = (settings.configured_ca or _certifis_bundle()) if endpoint[0] == "https" else ""
    if bundle and not os.path.isfile(bundle):  # OpenSSL would wait for the writer of a pipe
        raise UnusualError
    with closing(QuickPool(endpoint, bundle)) as pool:
        return _vended(settings, store, login, pool)


def _vended(settings: PlainSettings, store: Store, login: Login, pool: QuickPool) -> FederatedCredentials:
    """Credentials for the login; the identity ID is looked up where it is not known, and stored."""
    logins = {login.key: login.token.value}
    place = identity_key(settings.as_settings(), login)
    known = identity_in(store.read(IDENTITIES, place))
    identity_id = known or pool.get_id(settings.identity_pool_id, logins, settings.account_id)
    if not is_identity_id(identity_id):
        raise UnusualError
    if known is None:
        store.write(IDENTITIES, place, identity_document(identity_id, settings.as_settings()))
    vended = pool.get_credentials(identity_id, logins, settings.role_arn)
    now = time()
    credentials = _credentials(vended, now, settings)
    if not is_usable(credentials, now):
        raise UnusualError
    if vended.identity_id != identity_id:  # Cognito has merged identities
        store.write(IDENTITIES, place, identity_document(vended.identity_id, settings.as_settings()))
    if vended.server_time is not None and abs(ahead := now - vended.server_time) >= SKEW_WORTH_A_WORD:
        store.warn(f"{clock_difference(ahead)}; set the clock")
    return credentials


def _credentials(vended: Vended, now: float, settings: PlainSettings) -> FederatedCredentials:
    return FederatedCredentials(
        access_key=vended.access_key,
        secret_key=vended.secret_key,
        token=vended.token,
        expires_at=vended.expires_at,
        issued_at=now,
        identity_id=vended.identity_id,
        account_id=settings.account_id,
    )


def _certifis_bundle() -> str:
    """The certificates that botocore loads where nothing is configured: those of `certifi`, as it is on PyPI.

    Distributions change that package so that it names the system's bundle; it then has no such file.
    """
    packages = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(packages, "certifi", "cacert.pem")
