"""Starts the program as a process of its own."""

import sys

from lowcloud.runtime.processing.preprocess import main

sys.exit(main(sys.argv[1:]))
