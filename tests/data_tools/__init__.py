"""The lines of `docs/data-tools.md`, run as they stand there: real programs, AWS's host names on a machine of its own.

``python -m tests.data_tools`` runs all of them and prints the page's table; ``--write`` puts it into the page, with the
date. `page` reads the page, `programs` says how each program is installed, `machine` has the machine on which AWS's
hosts are the demo world, and `measure` what is found out about a line.
"""
