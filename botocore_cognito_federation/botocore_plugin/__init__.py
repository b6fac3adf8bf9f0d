"""The botocore side: the credential provider, its credentials object, and its registration in every session."""
