"""The settings of a home, which the first of several processes creates."""

import multiprocessing
from pathlib import Path

import pytest

from lowcloud.home import settings


def _load_key(home: Path, barrier, keys) -> None:
    barrier.wait()
    loaded = settings.load(home, {})
    keys.put((loaded.encryption_key, loaded.root_key))


def test_two_simultaneous_first_starts_agree_on_every_key(tmp_path):
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


def test_a_home_that_the_disk_has_no_space_for_is_discarded(tmp_path, monkeypatch):
    def create(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings, "_create", create)
    with pytest.raises(OSError, match="No space left"):
        settings.load(tmp_path / "home", {})
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("keys/account.json", b"{", r"account\.json is damaged: it is not JSON"),
        ("address.json", b"4900,", r"address\.json is damaged"),
        ("keys/encryption.key", b"short", r"encryption\.key is damaged: it has 5 bytes instead of 32"),
    ],
)
def test_a_damaged_file_of_a_home_is_named(tmp_path, file, content, sentence):
    settings.load(tmp_path / "home", {})
    (tmp_path / "home" / file).write_bytes(content)
    for ask in (settings.load, settings.read):
        with pytest.raises(ValueError, match=sentence):
            ask(tmp_path / "home", {})


@pytest.mark.parametrize("name", ["LOWCLOUD_DAY_SECONDS", "LOWCLOUD_ENVIRONMENT_DAYS", "LOWCLOUD_AUDIT_DAYS"])
def test_a_variable_that_is_no_number_is_named(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} must be a number, not 'soon'"):
        settings.load(tmp_path / "home", {name: "soon"})


def test_a_folder_that_is_not_a_home_is_not_changed(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    tmp_path.chmod(0o755)
    with pytest.raises(ValueError, match=r"thesis\.tex"):
        settings.load(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_the_account_in_use_is_saved_for_other_shells(tmp_path):
    chosen = {
        "LOWCLOUD_ACCOUNT_ID": "123456789012",
        "LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIACHOSEN0000000000",
        "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": "chosen-secret",
    }
    settings.save_account(settings.load(tmp_path / "home", chosen))
    kept = settings.load(tmp_path / "home", {})
    assert (kept.account_id, kept.root_key.secret_access_key) == ("123456789012", "chosen-secret")


@pytest.mark.parametrize(
    "environment",
    [{"LOWCLOUD_ACCOUNT_ID": "12"}, {"LOWCLOUD_ROOT_ACCESS_KEY_ID": "AKIA"}, {"LOWCLOUD_ACCOUNT_ID": "x" * 12}],
)
def test_an_incomplete_root_key_and_an_invalid_account_are_refused(tmp_path, environment):
    with pytest.raises(ValueError, match="LOWCLOUD_"):
        settings.load(tmp_path / "home", environment)


def test_the_retention_period_of_unused_environments_is_a_setting(tmp_path):
    assert settings.load(tmp_path / "home", {}).environment_days == 30
    assert settings.load(tmp_path / "home", {"LOWCLOUD_ENVIRONMENT_DAYS": "0.5"}).environment_days == 0.5
    for days in ("0", "-1", "nan"):
        with pytest.raises(ValueError, match="LOWCLOUD_ENVIRONMENT_DAYS"):
            settings.load(tmp_path / "home", {"LOWCLOUD_ENVIRONMENT_DAYS": days})


def test_the_audit_log_is_kept_for_90_days_and_without_access_to_data_unless_settings_say_so(tmp_path):
    plain = settings.load(tmp_path / "home", {})
    assert (plain.audit_days, plain.audits_data) == (90, False)
    chosen = settings.load(tmp_path / "home", {"LOWCLOUD_AUDIT_DAYS": "7", "LOWCLOUD_AUDIT_DATA": "1"})
    assert (chosen.audit_days, chosen.audits_data) == (7, True)
    for name, value in (("LOWCLOUD_AUDIT_DAYS", "0"), ("LOWCLOUD_AUDIT_DATA", "yes")):
        with pytest.raises(ValueError, match=name):
            settings.load(tmp_path / "home", {name: value})


def test_the_database_url_is_saved_without_its_password(tmp_path):
    secret = "postgresql://me:s3cret@db.example:5433/cloud?sslmode=require&password=s3cret"
    chosen = settings.load(tmp_path / "home", {}, database=secret)
    assert chosen.database == secret
    assert "s3cret" not in repr(chosen)
    settings.save_store(chosen)
    assert "s3cret" not in (tmp_path / "home" / "store.json").read_text()
    later = settings.load(tmp_path / "home", {})
    assert later.database == "postgresql://me@db.example:5433/cloud?sslmode=require"
    from_shell = settings.load(tmp_path / "home", {"LOWCLOUD_DATABASE": "postgres://other/db"})
    assert from_shell.database == "postgres://other/db"


def test_a_database_url_without_a_password_is_shown_unchanged():
    for address in ("postgresql:///cloud", "postgresql:///cloud?host=/run/postgresql", "postgres://[::1]:1/x"):
        assert settings.without_password(address) == address


def test_a_home_that_shares_a_store_uses_its_keys_data_and_database(tmp_path):
    first = settings.load(tmp_path / "first", {}, database="postgresql://db/cloud")
    settings.save_store(first)
    second = settings.load(tmp_path / "second", {}, store=tmp_path / "first")
    settings.save_store(second)
    again = settings.load(tmp_path / "second", {})
    for one in (second, again):
        assert one.home == tmp_path / "second"
        assert (one.encryption_key, one.root_key, one.account_id) == (
            first.encryption_key,
            first.root_key,
            first.account_id,
        )
        assert (one.data, one.work, one.database_url) == (first.data, first.work, "postgresql://db/cloud")


@pytest.mark.parametrize("address", ["mysql://me:s3cret@db/cloud", "me:s3cret@db", "sqlite:///x.db"])
def test_a_url_of_another_database_is_refused_and_not_repeated(tmp_path, address):
    with pytest.raises(ValueError, match="postgresql://USER@HOST/NAME") as caught:
        settings.load(tmp_path / "home", {}, database=address)
    assert "s3cret" not in str(caught.value)


def test_a_shared_store_must_be_in_another_home(tmp_path):
    with pytest.raises(ValueError, match="has no keys"):
        settings.load(tmp_path / "home", {}, store=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="this home itself"):
        settings.load(tmp_path / "home", {}, store=tmp_path / "home")
