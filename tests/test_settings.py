"""The settings of a home: made once, whoever comes first."""

import multiprocessing
from pathlib import Path

import pytest

from lowcloud import settings


def _load_key(home: Path, barrier, keys) -> None:
    barrier.wait()
    loaded = settings.load(home, {})
    keys.put((loaded.encryption_key, loaded.root_key))


def test_two_first_starts_at_once_agree_on_every_key(tmp_path):
    context = multiprocessing.get_context("fork")
    for number in range(20):
        barrier, keys = context.Barrier(2), context.Queue()
        arguments = (tmp_path / str(number), barrier, keys)
        starts = [context.Process(target=_load_key, args=arguments) for _ in range(2)]
        for start in starts:
            start.start()
        found = {keys.get(timeout=30) for _ in starts}
        for start in starts:
            start.join()
        kept = settings.load(tmp_path / str(number), {})
        assert found == {(kept.encryption_key, kept.root_key)}


def test_a_folder_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    tmp_path.chmod(0o755)
    with pytest.raises(ValueError, match=r"thesis\.tex"):
        settings.load(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_what_is_in_force_is_remembered_for_other_shells(tmp_path):
    chosen = {
        "LOWCLOUD_ACCOUNT_ID": "123456789012",
        "LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIACHOSEN0000000000",
        "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "chosen-secret",
    }
    settings.remember(settings.load(tmp_path / "home", chosen))
    kept = settings.load(tmp_path / "home", {})
    assert (kept.account_id, kept.root_key.secret_access_key) == ("123456789012", "chosen-secret")


@pytest.mark.parametrize(
    "environment",
    [{"LOWCLOUD_ACCOUNT_ID": "12"}, {"LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIA"}, {"LOWCLOUD_ACCOUNT_ID": "x" * 12}],
)
def test_half_a_key_and_a_bad_account_are_refused(tmp_path, environment):
    with pytest.raises(ValueError, match="LOWCLOUD_"):
        settings.load(tmp_path / "home", environment)
