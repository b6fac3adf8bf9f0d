"""The command line ``cognito-federation``: one file for each group of commands, imported only past the warm path."""
