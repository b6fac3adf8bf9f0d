"""``python -m botocore_cognito_federation``: the command line without its console script."""

from .process import main

main()
