"""A script that resumes from its checkpoint: it counts to ten, and waits at five until it is interrupted."""

import os
import pathlib
import time

state = pathlib.Path("/opt/ml/checkpoints/count")
begin = int(state.read_text()) if state.exists() else 0
print(f"begins at {begin}", flush=True)
for count in range(begin + 1, 11):
    partial = state.with_suffix(".partial")
    partial.write_text(str(count))
    partial.replace(state)
    while count == 5 and begin == 0:
        time.sleep(0.05)
pathlib.Path(os.environ["SM_MODEL_DIR"], "count").write_text(state.read_text())
