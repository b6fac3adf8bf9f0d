"""Interactive sign-in and sign-out: the use cases of `oidc` (the protocol) and `sessions` (the stored sign-in).

`perform` signs in, `ways` chooses how, `keeping` has the last word on the answer, `screens` is what the person sees,
`automatic` is `cognito_auto_login`, `notebook` is `login()` in Python, `ending` signs out.
"""
