"""A script that saves its model on SIGTERM."""

import pathlib
import signal
import sys
import time


def save(*_):
    pathlib.Path("/opt/ml/model/saved").write_text("in time")
    sys.exit(0)


signal.signal(signal.SIGTERM, save)
print("waiting", flush=True)
time.sleep(600)
