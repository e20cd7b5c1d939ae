"""Inputs that are streamed while a program runs: named pipes and lazy folders, on every engine."""

import gzip
import hashlib
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lowcloud.engine.local.inputs.input_server import LAZY_UNSUPPORTED
from lowcloud.engine.local.replica_preparation import ReplicaPreparation
from lowcloud.engine.work import Engine, Input, InputSource, LazyFolder, Replica, StagingError, Stream, Work
from tests.support.engines import MakeEngine, ended, output, python
from tests.support.waiting import wait_for

OBJECTS: dict[str, bytes] = {}
ABC = (("a",), ("b",), ("c",))
BASE = "import hashlib, os, time\nos.chdir(os.environ['SAGEMAKER_BASE_DIR'] + '/input/data')\n"
DATA = random.Random(1).randbytes(3_000_000)


def fetch(source: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    if source not in OBJECTS:
        raise StagingError(f"{source} does not exist.")
    data = OBJECTS[source][start:end]
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


@pytest.fixture(params=["local"])
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> Engine:
    OBJECTS.clear()
    return make_engine(fetch)


def source(data: bytes, name: str = "s3://b/one") -> InputSource:
    OBJECTS[name] = data
    return InputSource(name, len(data))


def fed(code: str, *streams: Stream) -> Work:
    return python(BASE + code, (Replica(streams=streams),))


def lazy(code: str, **files: InputSource) -> Work:
    inputs = (Input(f"input/data/train/{path}", one.name, one.size_bytes) for path, one in files.items())
    return python(BASE + code, (Replica(lazy_folders=(LazyFolder("input/data/train", tuple(inputs)),)),))


def succeeds(engine: Engine, work: Work) -> list[str]:
    """Return what the program prints."""
    engine.start(work)
    code = ended(engine)[0].exit_code
    assert code == 0, output(engine)
    return output(engine)


@pytest.fixture
def lazily(engine: Engine) -> Callable[..., list[str]]:
    """Runs code over lazy files, where the machine has them."""
    engine.isolation()

    def run(code: str, **files: InputSource) -> list[str]:
        said = succeeds(engine, lazy(code, **files))
        if any(LAZY_UNSUPPORTED in line for line in said):
            pytest.skip(LAZY_UNSUPPORTED)
        return said

    return run


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Pipes


def test_each_epoch_has_a_pipe_of_its_own_with_all_records(engine: Engine) -> None:
    code = "for epoch in range(3): print(hashlib.sha256(open(f'train_{epoch}', 'rb').read()).hexdigest())"
    stream = Stream("input/data/train", (*ABC, (source(DATA), "end")))
    assert succeeds(engine, fed(code, stream)) == [digest(b"abc" + DATA + b"end")] * 3


def test_channels_are_streamed_in_parallel(engine: Engine) -> None:
    code = "a, b = open('a_0'), open('b_0')\nprint(b.read(), a.read())"
    assert succeeds(engine, fed(code, Stream("input/data/a", ABC), Stream("input/data/b", ABC[:1]))) == ["a abc"]


def test_the_next_pipe_is_there_before_the_last_one_is_read(engine: Engine) -> None:
    code = (
        "print(sorted(os.listdir()))\nopen('train_0').read()\nprint(open('train_1').read(), 'train_0' in os.listdir())"
    )
    assert succeeds(engine, fed(code, Stream("input/data/train", ABC))) == ["['train_0', 'train_1']", "abc False"]


def test_a_program_that_closes_a_pipe_early_gets_the_next_epoch_from_its_beginning(engine: Engine) -> None:
    code = "print(open('train_0', 'rb').read(10) == open('train_1', 'rb').read(10))"
    assert succeeds(engine, fed(code, Stream("input/data/train", ((source(DATA),),)))) == ["True"]


def test_a_program_that_never_opens_its_pipe_ends_as_it_likes(engine: Engine) -> None:
    assert succeeds(engine, fed("print('done')", Stream("input/data/train", ABC))) == ["done"]


def test_a_channel_without_records_is_an_empty_pipe(engine: Engine) -> None:
    assert succeeds(engine, fed("print(len(open('train_0').read()))", Stream("input/data/train", ()))) == ["0"]


def test_gzip_is_unpacked_with_all_its_members(engine: Engine) -> None:
    packed = gzip.compress(DATA) + gzip.compress(b"more") + bytes(512)
    stream = Stream("input/data/train", ((source(packed),), (source(b"", "s3://b/two"),)), is_gzip=True)
    code = "print(hashlib.sha256(open('train_0', 'rb').read()).hexdigest())"
    assert succeeds(engine, fed(code, stream)) == [digest(DATA + b"more")]


@pytest.mark.parametrize("is_gzip", [False, True])
def test_sources_and_texts_are_framed_one_by_one(engine: Engine, is_gzip: bool) -> None:
    body = gzip.compress(b"12345") if is_gzip else b"12345"
    stream = Stream("input/data/train", ((source(body), "9"),), is_gzip=is_gzip, is_framed=True)
    magic = struct.pack("<I", 0xCED7230A)
    expected = magic + struct.pack("<I", 5) + b"12345\0\0\0" + magic + struct.pack("<I", 1) + b"9\0\0\0"
    assert succeeds(engine, fed("print(open('train_0', 'rb').read().hex())", stream)) == [expected.hex()]


def test_shuffling_is_another_in_each_epoch_and_hosts_share_out_every_record(engine: Engine) -> None:
    records = tuple((f"{number} ",) for number in range(50))
    replicas = tuple(
        Replica(streams=(Stream("input/data/train", records, seed=7, shard=rank, shards=2),)) for rank in range(2)
    )
    code = BASE + "for epoch in range(2): print(open(f'train_{epoch}').read())"
    engine.start(python(code, replicas))
    ended(engine)
    first, second = ([list(map(int, line.split())) for line in output(engine, replica=rank)] for rank in range(2))
    for epoch in range(2):
        assert sorted(first[epoch] + second[epoch]) == list(range(50))
    assert first[0] != first[1], "another order, and another share"
    assert sorted(first[0]) != first[0]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (b"this is no gzip", "s3://b/one is not a readable gzip file"),
        (gzip.compress(DATA)[:-9], "s3://b/one is a truncated gzip file"),
    ],
)
def test_a_program_with_truncated_inputs_fails_and_the_log_says_why(engine: Engine, damage: bytes, says: str) -> None:
    stream = Stream("input/data/train", (*ABC, (source(damage),)), is_gzip=True)
    engine.start(fed("open('train_0', 'rb').read()", stream))
    assert ended(engine)[0].exit_code == -9
    assert any(says in line for line in output(engine))


def test_a_source_that_has_gone_fails_the_program_even_if_it_ends_well(engine: Engine) -> None:
    stream = Stream("input/data/train", ((InputSource("s3://b/gone", 5),),))
    code = "import signal; signal.signal(15, lambda *_: os._exit(0))\nopen('train_0', 'rb').read()"
    engine.start(fed(code, stream))
    assert ended(engine)[0].exit_code == -9
    assert any("s3://b/gone does not exist" in line for line in output(engine))


def test_a_program_cannot_make_its_feeder_write_to_another_file(engine: Engine, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("safe")
    code = f"os.unlink('train_1'); os.symlink({str(victim)!r}, 'train_1')\nopen('train_0').read(); time.sleep(60)"
    engine.start(fed(code, Stream("input/data/train", ABC)))
    assert ended(engine)[0].exit_code == -9
    assert any("train_1 cannot be written to" in line for line in output(engine))
    assert victim.read_text() == "safe"


def test_a_stopped_program_leaves_no_feeder(engine: Engine, tmp_path: Path) -> None:
    engine.start(fed("print('on'); open('train_0', 'rb').read(1); time.sleep(60)", _endless()))
    wait_for(lambda: output(engine) == ["on"])
    engine.stop("w", 0.2)
    ended(engine)
    assert not [path for path in Path("/proc").glob("[0-9]*/cwd") if _link(path) == f"{tmp_path}/home/work/.feeding"]


def _endless() -> Stream:
    return Stream("input/data/train", ((source(DATA),),) * 1000)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


# Lazy folders


def test_lazy_files_are_listed_immediately_and_read_on_demand(lazily: Callable[..., list[str]]) -> None:
    code = (
        "for folder, folders, files in sorted(os.walk('train')): print(folder, sorted(folders), sorted(files))\n"
        "print(os.path.getsize('train/a'), hashlib.sha256(open('train/b/c', 'rb').read()).hexdigest())"
    )
    said = lazily(code, **{"a": source(b"", "s3://b/empty"), "b/c": source(DATA)})
    assert said == ["train ['b'] ['a']", "train/b [] ['c']", f"0 {digest(DATA)}"]


def test_nothing_is_fetched_of_a_lazy_file_that_is_not_read(lazily: Callable[..., list[str]]) -> None:
    assert lazily("print(os.listdir('train'))", gone=InputSource("s3://b/gone", 1 << 40)) == ["['gone']"]


def test_a_lazy_file_is_read_here_and_there(lazily: Callable[..., list[str]]) -> None:
    places = random.Random(2).sample(range(len(DATA)), 40)
    code = (
        "file = os.open('train/a', os.O_RDONLY)\n"
        f"print([hashlib.sha256(os.pread(file, 5000, at)).hexdigest()[:8] for at in {places}])"
    )
    assert lazily(code, a=source(DATA)) == [str([digest(DATA[at : at + 5000])[:8] for at in places])]


def test_many_threads_read_lazy_files_at_once(lazily: Callable[..., list[str]]) -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "read = lambda number: hashlib.sha256(open(f'train/{number % 4}', 'rb').read()).hexdigest()\n"
        "with ThreadPoolExecutor(16) as pool: print(len(set(pool.map(read, range(32)))))"
    )
    assert lazily(code, **{str(number): source(DATA) for number in range(4)}) == ["1"]


def test_a_lazy_file_is_mapped_into_memory(lazily: Callable[..., list[str]]) -> None:
    code = "import mmap\nprint(hashlib.sha256(mmap.mmap(os.open('train/a', 0), 0, prot=1)).hexdigest())"
    assert lazily(code, a=source(DATA)) == [digest(DATA)]


def test_a_lazy_folder_is_not_written_to(lazily: Callable[..., list[str]]) -> None:
    code = (
        "for harm in (lambda: open('train/a', 'w'), lambda: open('train/b', 'w'), lambda: os.unlink('train/a'),\n"
        "             lambda: os.chmod('train/a', 0o777), lambda: os.rename('train/a', 'train/b')):\n"
        "    try: harm()\n"
        "    except OSError as error: print(error.errno)"
    )
    assert lazily(code, a=source(DATA)) == ["30"] * 5


def test_a_lazy_folder_of_many_files_is_listed_completely(lazily: Callable[..., list[str]]) -> None:
    files = {f"{number:05}-{'x' * 100}": InputSource("s3://b/one", number) for number in range(3000)}
    code = "print(len(os.listdir('train')), sum(entry.stat().st_size for entry in os.scandir('train')))"
    assert lazily(code, **files) == [f"3000 {sum(range(3000))}"]


def test_an_unreadable_lazy_file_is_an_error_of_its_reader_and_logged(
    lazily: Callable[..., list[str]],
) -> None:
    said = lazily(
        "try: open('train/gone').read()\nexcept OSError as error: print(error.errno)", gone=InputSource("x", 9)
    )
    assert said[-1] == "5"
    assert "gone cannot be read: x does not exist." in said


def test_without_lazy_folders_the_files_are_staged_and_the_log_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.isolation()
    monkeypatch.setattr(ReplicaPreparation, "probe", lambda *_: "The probe failed.")
    said = succeeds(engine, lazy("print(os.path.isfile('train/a'), os.path.ismount('train'))", a=source(b"x")))
    note = f"input/data/train is staged as files before the program starts: {LAZY_UNSUPPORTED} The probe failed."
    assert said == [note, "True False"]


def test_a_program_that_reads_lazily_is_stopped(engine: Engine) -> None:
    engine.start(lazy("print('on')\nwhile True: open('train/a', 'rb').read()", a=source(DATA)))
    wait_for(lambda: "on" in output(engine))
    engine.stop("w", 0.2)
    assert ended(engine)[0].exit_code in (-9, -15)
