"""A processing script that needs a package of requirements.txt and a module in its folder."""

import pathlib
import sys

import greeting
from aside import ANSWER

pathlib.Path("/opt/ml/processing/out/said.txt").write_text(f"{greeting.WORD} {ANSWER} {sys.argv[1:]}")
