"""Runs the program in its own process."""

import sys

from lowcloud.runtime.processing.preprocess import main

sys.exit(main(sys.argv[1:]))
