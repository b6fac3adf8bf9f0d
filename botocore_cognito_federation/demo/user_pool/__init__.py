"""The demo world's user pools: a cognito-idp service that verifies passwords, codes, devices and passkeys.

`service.UserPoolService` dispatches each operation to a function of one of the modules beside it; a module lists its
own in a dictionary ``OPERATIONS``. `state.Directory` holds the pools, their users and everything that expires.
"""
