"""What runs inside a replica; it sees the outside only through lowcloud.contract and lowcloud.schemas."""

import os

# A pool of BLAS threads started at import would not survive the warm parent's fork, so numpy computes with one thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
