"""Signing a person in and out: the use cases over `oidc` (the protocol) and `cache.sessions` (what is stored).

`login` chooses how and signs in, `sessions` stores a sign-in and ends it, `auto` is `cognito_auto_login`, `notebook` is
`login()` in Python; `terminal` is what the person sees and types, `browser` opens pages, `password` asks the user pool.
"""
