"""The client matrix: every kind of AWS client, driven from one ``~/.aws/config`` against one demo world.

``python -m tests.clients`` runs it and prints client x way of getting credentials; ``--write`` also writes the table
of the documentation. What each column proves stands in `columns`, the clients in `catalogue`.
"""
