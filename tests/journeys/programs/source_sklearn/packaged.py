"""A processing script that needs what requirements.txt names and a module beside it."""

import pathlib
import sys

import greeting
from aside import ANSWER

pathlib.Path("/opt/ml/processing/out/said.txt").write_text(f"{greeting.WORD} {ANSWER} {sys.argv[1:]}")
