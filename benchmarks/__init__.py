"""What the product costs, beside what Python itself costs and beside its peers.

``python -m benchmarks`` prints the table; ``python -m benchmarks check`` compares what cannot be noisy (instruction
counts against a bare interpreter, import lists) with ``baseline.json`` and is meant for CI; ``python -m benchmarks
baseline`` writes that file anew. Wall times are ratios of runs that alternate, since the same command may take twice
as long a minute later.
"""
