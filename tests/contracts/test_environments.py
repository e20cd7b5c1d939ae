"""Python environments that works build and run with, on every engine."""

import time

import pytest

from lowcloud.engine.work import Engine, Replica, StagingError, Work
from tests.support.engines import SMALL, ended, output


def test_an_environment_that_a_work_builds_is_published_when_it_is_kept(engine: Engine) -> None:
    build = "import os, venv; venv.create(os.environ['LOWCLOUD_ENVIRONMENT'], symlinks=True)"
    engine.start(Work("w", ("python", "-c", build), (Replica(),), SMALL, builds="key"))
    assert ended(engine)[0].exit_code == 0, output(engine)
    assert not engine.has_environment("key")
    engine.publish_environment("w")
    engine.remove("w")
    assert engine.has_environment("key")
    program = "import os, sys; print(sys.prefix == os.environ['LOWCLOUD_ENVIRONMENT'])"
    engine.start(Work("w", ("python", "-c", program), (Replica(),), SMALL, environment="key"))
    ended(engine)
    assert output(engine) == ["True"]


def test_an_environment_is_dropped_unless_it_was_used_or_a_work_runs_with_it(engine: Engine) -> None:
    engine.start(Work("w", ("true",), (Replica(),), SMALL, builds="key"))
    ended(engine)
    engine.publish_environment("w")
    engine.remove("w")
    (kept_at,) = engine.environments().values()
    assert engine.has_environment("key")
    assert engine.environments()["key"] > kept_at
    engine.delete_environment("key", kept_at)
    engine.start(Work("w", ("sleep", "600"), (Replica(),), SMALL, environment="key"))
    for name in ("key", "never-built"):
        engine.delete_environment(name, time.time() + 60)
    assert engine.has_environment("key")
    engine.remove("w")
    engine.delete_environment("key", time.time() + 60)
    assert not engine.has_environment("key")
    assert engine.environments() == {}


def test_an_environment_that_was_never_built_fails_the_staging_with_its_name(engine: Engine) -> None:
    with pytest.raises(StagingError, match="'key'"):
        engine.start(Work("w", ("true",), (Replica(),), SMALL, environment="key"))
