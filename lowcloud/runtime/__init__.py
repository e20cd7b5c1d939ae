"""The programs that run inside a replica. Of the other packages they import only contract and schemas."""

import os

# BLAS threads started at import would not survive the warm parent's fork, so numpy computes with one thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
