"""The disk reserve that deletions use."""

import threading
from pathlib import Path

import pytest

from lowcloud.store.blobs import reserve
from lowcloud.store.blobs.reserve import DiskReserve
from tests.support.faults import needs_root, small_disk


def test_space_is_reserved_and_refilled_after_it_was_released(tmp_path: Path) -> None:
    held, path = DiskReserve(tmp_path / "reserve"), tmp_path / "reserve"
    held.fill()
    assert path.stat().st_size == reserve.MAX_BYTES
    assert path.stat().st_blocks * 512 >= reserve.MAX_BYTES  # it is not sparse
    with held.released():
        assert path.stat().st_size == 0
    assert (path.stat().st_size, held.is_short) == (reserve.MAX_BYTES, False)


def test_one_thread_at_a_time_uses_the_released_space(tmp_path: Path) -> None:
    one, other = DiskReserve(tmp_path / "reserve"), DiskReserve(tmp_path / "reserve")
    has_waited = threading.Event()

    def wait() -> None:
        with other.released():
            has_waited.set()

    waiting = threading.Thread(target=wait)
    with one.released():
        waiting.start()
        assert not has_waited.wait(0.1)
    waiting.join()
    assert has_waited.is_set()


@needs_root
def test_a_quarter_of_a_small_disk_is_reserved_and_half_of_the_rest_of_a_full_one(tmp_path: Path) -> None:
    megabyte = 1024**2
    with small_disk(tmp_path / "disk", megabytes=16) as disk:
        held = DiskReserve(disk / "reserve")
        held.fill()
        assert ((disk / "reserve").stat().st_size, held.is_short) == (4 * megabyte, False)
        (disk / "ballast").write_bytes(bytes(12 * megabyte))
        with held.released():
            (disk / "log").write_bytes(bytes(2 * megabyte))
        assert ((disk / "reserve").stat().st_size, held.is_short) == (megabyte, True)
        (disk / "log").write_bytes(bytes(3 * megabyte))
        with held.released():
            pass
        assert (disk / "reserve").stat().st_size == megabyte  # half would be too little
        (disk / "ballast").unlink()
        held.fill()
        assert ((disk / "reserve").stat().st_size, held.is_short) == (4 * megabyte, False)


def test_a_failure_while_the_space_is_released_propagates_and_refills_the_reserve(tmp_path: Path) -> None:
    held = DiskReserve(tmp_path / "reserve")
    with pytest.raises(ZeroDivisionError), held.released():
        raise ZeroDivisionError
    assert (tmp_path / "reserve").stat().st_size == reserve.MAX_BYTES
