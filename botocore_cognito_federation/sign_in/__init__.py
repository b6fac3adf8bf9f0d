"""Signing a person in and out: the use cases over `oidc` (the protocol) and `sessions` (what is kept).

`perform` signs in, `ways` chooses how, `keeping` has the last word on the answer, `screens` is what the person sees,
`automatic` is `cognito_auto_login`, `notebook` is `login()` in Python, `ending` signs out.
"""
