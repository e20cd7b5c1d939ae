"""Runs the program in its own process."""

import sys

from lowcloud.runtime.processing.evaluate import main

sys.exit(main(sys.argv[1:]))
