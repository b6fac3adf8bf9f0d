"""The network: proxies, certificates, endpoints."""

from __future__ import annotations

from .model import LOGIN, ByHand, Literal, SetUp, job, person
from .place import Place

_TLS_PERSON = person("= $op", "= $tls")
_AWS: dict[str, str | None] = {"AWS_ENDPOINT_URL": None}
_BUNDLE = Literal({"FILE": "$ca"})


def _garbage(place: Place) -> None:
    (place.path / "garbage.pem").write_text("not a certificate\n")


def _direct(place: Place) -> None:
    """What the administrator of the proxy or the network repairs, as seen from here: the way that works."""
    place.environ["HTTPS_PROXY"] = None
    place.environ["AWS_ENDPOINT_URL"] = place.world.endpoint_url


def _proxy(url: str, **more: str) -> dict[str, str | None]:
    return {"HTTPS_PROXY": url, **_AWS, **more}


_REMOTE = person("= $op", "= corp.eu.auth0.com")


def _to_op(place: Place) -> None:
    _direct(place)
    place.edit("= corp.eu.auth0.com", "= $op")


ROWS = (
    SetUp(
        "a proxy where nothing listens",
        r"proxy.*cannot be reached.*HTTPS_PROXY",
        ByHand(r"HTTPS_PROXY", _direct),
        environ=_proxy("http://127.0.0.1:9"),
    ),
    SetUp(
        "a proxy where nothing listens, at a sign-in",
        r"proxy.*cannot be reached.*HTTPS_PROXY",
        ByHand(r"HTTPS_PROXY", _to_op),
        config=_REMOTE,
        command=LOGIN,
        environ=_proxy("http://127.0.0.1:9"),
    ),
    SetUp(
        "a proxy that wants a password",
        r"proxy.*407|407.*proxy|password",
        ByHand(r"HTTPS_PROXY", _direct),
        environ=_proxy("$p407"),
    ),
    SetUp(
        "a proxy that wants a password, at a sign-in",
        r"proxy.*407|407.*proxy|password",
        ByHand(r"HTTPS_PROXY", _to_op),
        config=_REMOTE,
        command=LOGIN,
        environ=_proxy("$p407"),
    ),
    SetUp(
        "a proxy that forbids the host",
        r"proxy.*403|403.*proxy",
        ByHand(r"HTTPS_PROXY|NO_PROXY|administrator", _direct),
        environ=_proxy("$p403"),
    ),
    SetUp(
        "a proxy's address that is none",
        r"HTTPS_PROXY",
        ByHand(r"HTTPS_PROXY", _direct),
        environ=_proxy("http://user:p@ss@[::1"),
    ),
    SetUp(
        "a proxy's address that is none, at a sign-in",
        r"HTTPS_PROXY",
        ByHand(r"HTTPS_PROXY", _to_op),
        config=_REMOTE,
        command=LOGIN,
        environ=_proxy("http://user:p@ss@[::1"),
    ),
    SetUp(
        "a proxy without a scheme",
        r"HTTPS_PROXY|proxy",
        ByHand(r"HTTPS_PROXY", _direct),
        environ=_proxy("127.0.0.1:9"),
    ),
    SetUp(
        "a provider's certificate of a private authority",
        r"certificate",
        _BUNDLE,
        config=_TLS_PERSON,
        command=LOGIN,
    ),
    SetUp(
        "ca_bundle in the session",
        r"ca_bundle",
        config=person("= $op", "= $tls", more="ca_bundle = $ca"),
        command=LOGIN,
        doctor=r"ca_bundle.*\[profile dev\]",
    ),
    SetUp(
        "AWS_CA_BUNDLE names no file",
        r"AWS_CA_BUNDLE.*/nowhere/ca\.pem|/nowhere/ca\.pem.*AWS_CA_BUNDLE",
        _BUNDLE,
        config=_TLS_PERSON,
        command=LOGIN,
        environ={"AWS_CA_BUNDLE": "/nowhere/ca.pem"},
    ),
    SetUp(
        "AWS_CA_BUNDLE names a file without certificates",
        r"AWS_CA_BUNDLE.*garbage\.pem|garbage\.pem.*AWS_CA_BUNDLE",
        _BUNDLE,
        config=_TLS_PERSON,
        command=LOGIN,
        environ={"AWS_CA_BUNDLE": "$home/garbage.pem"},
        prepare=_garbage,
    ),
    SetUp(
        "REQUESTS_CA_BUNDLE names no file",
        r"REQUESTS_CA_BUNDLE.*/nowhere/ca\.pem|/nowhere/ca\.pem.*REQUESTS_CA_BUNDLE",
        _BUNDLE,
        config=_TLS_PERSON,
        command=LOGIN,
        environ={"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"},
    ),
    SetUp(
        "ca_bundle of the profile names no file",
        r"ca_bundle.*/nowhere/ca\.pem|/nowhere/ca\.pem.*ca_bundle",
        _BUNDLE,
        config=person("= $op", "= $tls", profile="ca_bundle = /nowhere/ca.pem"),
        command=LOGIN,
    ),
    SetUp(
        "AWS's certificate of a private authority",
        r"certificate",
        _BUNDLE,
        environ={"AWS_ENDPOINT_URL": "$tls_world"},
    ),
    SetUp(
        "AWS_CA_BUNDLE names no file, for AWS",
        r"AWS_CA_BUNDLE.*/nowhere/ca\.pem|/nowhere/ca\.pem.*AWS_CA_BUNDLE",
        _BUNDLE,
        environ={"AWS_ENDPOINT_URL": "$tls_world", "AWS_CA_BUNDLE": "/nowhere/ca.pem"},
    ),
    SetUp(
        "AWS_CA_BUNDLE names a file without certificates, for AWS",
        r"AWS_CA_BUNDLE.*garbage\.pem|garbage\.pem.*AWS_CA_BUNDLE",
        _BUNDLE,
        environ={"AWS_ENDPOINT_URL": "$tls_world", "AWS_CA_BUNDLE": "$home/garbage.pem"},
        prepare=_garbage,
    ),
    SetUp(
        "ca_bundle of the profile names no file, for AWS",
        r"ca_bundle.*/nowhere/ca\.pem|/nowhere/ca\.pem.*ca_bundle",
        _BUNDLE,
        config=job(profile="ca_bundle = /nowhere/ca.pem"),
        environ={"AWS_ENDPOINT_URL": "$tls_world"},
    ),
    SetUp(
        "an endpoint where nothing listens",
        r"AWS_ENDPOINT_URL.*127\.0\.0\.1:9|127\.0\.0\.1:9.*AWS_ENDPOINT_URL",
        ByHand(r"AWS_ENDPOINT_URL", _direct),
        environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
    ),
    SetUp(
        "an endpoint without TLS",
        r"cognito_endpoint_url.*http to cognito\.corp\.example",
        ByHand(
            r"https|[Rr]emove", lambda place: place.edit("cognito_endpoint_url = http://cognito.corp.example\n", "")
        ),
        config=job(more="cognito_endpoint_url = http://cognito.corp.example"),
    ),
    SetUp(
        "an endpoint called localhost",
        r"localhost.*127\.0\.0\.1",
        config=job(more="cognito_endpoint_url = http://localhost:$port"),
        environ=_AWS,
    ),
    SetUp(
        "an endpoint that is no URL",
        r"AWS_ENDPOINT_URL",
        ByHand(r"AWS_ENDPOINT_URL", _direct),
        environ={"AWS_ENDPOINT_URL": "localhost:4566"},
    ),
    SetUp(
        "a FIPS endpoint beside one that is configured",
        r"use_fips_endpoint",
        config=job(profile="use_fips_endpoint = true"),
    ),
)
