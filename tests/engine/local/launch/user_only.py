"""Programs at the level "user-only", started from an interpreter that other users can read: `... HOME`."""

import sys
from pathlib import Path

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation_record
from lowcloud.engine.work import Replica, Resources, Work
from tests.support.engines import ended, no_input, output

OWN_FOLDER = """
import os
open("made", "w")
print(os.getuid(), os.path.samefile("made", os.environ["SAGEMAKER_BASE_DIR"] + "/made"))
"""
READ = """
import sys
for path in sys.argv[1:]:
    try:
        print(path, open(path).read())
    except PermissionError:
        print("denied")
"""
HARMLESS = ("hosts", "started")


def main(home: Path) -> None:
    (home / "keys").mkdir(mode=0o700)
    (home / "keys" / "encryption.key").write_text("secret")
    isolation_record.choose(home, "user-only")
    engine = LocalEngine(home / "work", no_input)

    def run(name: str, *command: str) -> list[str]:
        engine.start(Work(name, command, (Replica({"SECRET": "x"}),), Resources(1, 1 << 30)))
        ended(engine, name)
        return output(engine, name)

    uid, is_own = run("a", "python", "-c", OWN_FOLDER)[0].split()
    assert int(uid) > 1000 and is_own == "True"
    other = engine._works.replica("a", 0).path
    secrets = [str(path) for path in other.iterdir() if path.is_file() and path.name not in HARMLESS]
    assert len(secrets) > 3
    secrets.append(str(home / "keys" / "encryption.key"))
    assert run("b", "python", "-c", READ, *secrets) == ["denied"] * len(secrets)
    assert "predictor_type" in run("c", "python", "-m", "lowcloud.runtime.training.train", "linear-learner")[-1]
    engine.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
