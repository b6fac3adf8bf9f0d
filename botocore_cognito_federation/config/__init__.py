"""Configuration: from ``~/.aws/config`` and the environment to one frozen object, and back into the file."""
