"""Python environments of works: built here, brought by a user, and unfinished ones."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation
from lowcloud.engine.work import Replica, Resources, StagingError, Work
from tests.support.engines import MODES, MakeEngine, ended, output
from tests.support.waiting import wait_for

SMALL = Resources(cpus=1, memory_bytes=1 << 30)
BUILD = (  # what a builder does, in the least time: an environment without pip, and a program in it
    "import os, sys, venv; from pathlib import Path; folder = Path(os.environ['LOWCLOUD_ENVIRONMENT'])\n"
    "venv.create(folder, symlinks=True); tool = folder / 'bin' / 'tool'\n"
    "tool.write_text(f'#!{folder}/bin/python\\nimport sys; print(sys.prefix)'); tool.chmod(0o755)\n"
    "site, = folder.glob('lib/python*/site-packages'); (site / 'ours.pth').write_text('\\n'.join(sys.path))\n"
)


@pytest.fixture(params=MODES)
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> LocalEngine:
    return make_engine(mode=request.param)


def run(engine: LocalEngine, work: Work) -> list[str]:
    engine.start(work)
    ended(engine, work.id)
    return output(engine, work.id)


def build(engine: LocalEngine, program: str = BUILD, work_id: str = "build") -> list[str]:
    return run(engine, Work(work_id, ("python", "-c", program), (Replica(),), SMALL, builds="key"))


def use(engine: LocalEngine, *command: str, environment: str = "key") -> list[str]:
    engine.remove("w")
    return run(engine, Work("w", command, (Replica(),), SMALL, environment=environment))


def folders(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "home" / "environments").glob("*") if not path.is_symlink()]


def make_venv(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def test_an_environment_built_by_a_work_is_the_python_of_works_that_name_it(
    engine: LocalEngine, tmp_path: Path
) -> None:
    assert build(engine) == []
    assert not engine.has_environment("key")
    engine.publish_environment("build")
    engine.publish_environment("build")
    engine.remove("build")
    assert engine.has_environment("key")
    (prefix,) = use(engine, "tool")
    program = "import os, sys, lowcloud, numpy; print(sys.prefix, os.environ['LOWCLOUD_ENVIRONMENT'])"
    assert use(engine, "python", "-c", program) == [f"{prefix} {prefix}"]
    assert use(engine, "sh", "-c", "command -v python") == [f"{prefix}/bin/python"]
    (failure,) = use(engine, "python", "-m", "lowcloud.runtime.training.train", "linear-learner")
    assert "predictor_type" in failure, "the built-in program ran there, and missed its settings"


def test_an_environment_in_use_cannot_be_written_to(engine: LocalEngine) -> None:
    if engine.isolation().startswith("Replicas are ordinary"):
        pytest.skip("this machine has no sandbox")
    build(engine)
    engine.publish_environment("build")
    (said,) = use(engine, "sh", "-c", 'echo > "$LOWCLOUD_ENVIRONMENT/planted"')
    assert "Read-only" in said or "ermission denied" in said


def test_a_users_environment_in_the_hidden_home_is_visible_and_nothing_next_to_it(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = tmp_path / "person"
    person.mkdir(mode=0o700)
    (person / "secret").write_text("secret")
    environment = make_venv(person / "venv")
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "theirs.py").write_text("name = 'theirs'")
    monkeypatch.setattr(isolation, "_personal_folder", lambda: [str(person)])
    engine._preparation._policy = None  # made again, for this home
    program = f"import os, sys, theirs; print(sys.prefix, theirs.name); os.system('cat {person}/secret 2>&1')"
    first, second = use(engine, "python", "-c", program, environment=str(environment))
    assert first == f"{environment} theirs"
    if not engine.isolation().startswith("Replicas are ordinary"):
        assert second != "secret"


def test_a_built_in_module_runs_by_a_users_interpreter_that_lacks_this_package(
    engine: LocalEngine, tmp_path: Path
) -> None:
    environment = make_venv(tmp_path / "venv")
    said = use(
        engine, "python", "-m", "lowcloud.runtime.training.train", "linear-learner", environment=str(environment)
    )
    assert said[-1] == "ModuleNotFoundError: No module named 'numpy'"
    assert any("lowcloud/runtime/training/train.py" in line for line in said)


@pytest.mark.parametrize("name", ["/", "/nowhere", "{home}/keys", "{home}", "never-built"])
def test_a_folder_that_is_not_an_environment_is_refused_with_its_name(
    make_engine: MakeEngine, tmp_path: Path, name: str
) -> None:
    engine = make_engine()
    (tmp_path / "home" / "keys" / "bin").mkdir(parents=True)
    (tmp_path / "home" / "keys" / "bin" / "python").symlink_to(sys.executable)
    path = name.format(home=tmp_path / "home")
    with pytest.raises(StagingError, match=repr(path)):
        engine.start(Work("w", ("true",), (Replica(),), SMALL, environment=path))


def test_a_key_that_leads_elsewhere_is_refused(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    for key in ("..", "a/b", ".hidden", "a.b", ""):
        with pytest.raises(ValueError, match="key"):
            engine.has_environment(key)


def test_a_failed_environment_is_not_published_and_is_removed_with_its_work(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    engine = make_engine()
    build(engine, "raise SystemExit(3)")
    with pytest.raises(ValueError, match="built no environment"):
        engine.publish_environment("build")
    assert len(folders(tmp_path)) == 1
    engine.remove("build")
    assert folders(tmp_path) == []
    engine.publish_environment("build")
    assert not engine.has_environment("key")


def test_of_two_that_built_the_same_the_first_stays(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    for work_id in ("build", "w"):
        build(engine, work_id=work_id)
    engine.publish_environment("w")
    engine.publish_environment("build")
    kept = (tmp_path / "home" / "environments" / "key").resolve()
    for work_id in ("build", "w"):
        engine.remove(work_id)
    assert folders(tmp_path) == [kept]


def test_half_built_environments_of_no_work_are_swept_and_others_stay(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    build(engine)
    engine.publish_environment("build")
    build(engine, "pass", "w")
    kept = set(folders(tmp_path))
    (tmp_path / "home" / "environments" / "key.0123456789ab" / "lib").mkdir(parents=True)
    (tmp_path / "home" / "environments" / "key.0123456789ab" / "lib").chmod(0)
    engine.warm_up()
    engine.wait_until_ready(60)
    wait_for(lambda: set(folders(tmp_path)) == kept)
    assert engine.has_environment("key")


def test_an_environment_that_is_in_use_is_not_built_over(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    build(engine)
    engine.publish_environment("build")
    engine.remove("build")
    before = use(engine, "tool")
    with pytest.raises(StagingError, match="already built"):
        build(engine)
    engine.remove("build")
    assert use(engine, "tool") == before


def test_a_deleted_environment_leaves_nothing_and_is_rebuilt_at_once(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    for _ in range(2):
        build(engine)
        engine.publish_environment("build")
        engine.remove("build")
        engine.delete_environment("key", time.time() + 60)
        assert list((tmp_path / "home" / "environments").iterdir()) == []


def test_a_start_is_a_use(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    build(engine)
    engine.publish_environment("build")
    engine.remove("build")
    os.utime(tmp_path / "home" / "environments" / "key", (0, 0), follow_symlinks=False)
    assert engine.environments() == {"key": 0}
    use(engine, "true")
    assert engine.environments()["key"] > 0
    engine.close()
