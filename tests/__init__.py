"""The tests; run them with `make test`."""

import os

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # before solvers load: their threads spin else, and tests run on all cores
