"""The client matrix: every kind of AWS client, tested with one ``~/.aws/config`` against one demo world.

``python -m tests.clients`` runs it and prints the table of clients and columns; ``--write`` also writes the page of the
documentation. `columns` describes what each column proves, `catalogue` has the clients.
"""
