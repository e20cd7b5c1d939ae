"""What hosts get of channels: every object once, where it belongs, or a sentence that says why not."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowcloud.core.context import Context
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.staging import input_staging, inputs
from lowcloud.core.staging.channels import Channel, DataSourceType, Mode
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.engine.work import Input, InputSource, StagingError

KEYS = ["train/a.csv", "train/b/c.csv", "train/b/d.csv", "train/e.csv", "train/f.csv"]
TRAIN = Channel("train", "data", "train/")


@pytest.fixture
def data(context: Context) -> Context:
    """A cloud with some objects, each holding its own key."""
    buckets.create(context, "data")
    for key in KEYS:
        objects.put(context, "data", key, [key.encode()])
    return context


def put(context: Context, key: str, body: str) -> None:
    objects.put(context, "data", key, [body.encode()])


def read(context: Context, source: InputSource | Input) -> str:
    name = source.name if isinstance(source, InputSource) else source.source
    return b"".join(inputs.fetch(context, name, 0, source.size_bytes)).decode()


def names(context: Context, channel: Channel, hosts: int) -> list[list[str]]:
    """The keys that each host gets."""
    found = []
    for staged in input_staging.stage(ObjectAccess.of_account(context), [channel], hosts):
        sources: list[InputSource | Input] = [*staged.inputs]
        sources += [file for folder in staged.lazy_folders for file in folder.files]
        for stream in staged.streams:
            mine = stream.records[stream.shard :: stream.shards]
            sources += [piece for record in mine for piece in record if isinstance(piece, InputSource)]
        found.append([read(context, source) for source in sources])
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    hosts=st.integers(1, 7),
    mode=st.sampled_from(Mode),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
)
def test_every_object_goes_to_exactly_one_of_the_hosts_that_share(
    data: Context, hosts: int, mode: Mode, seed: int | None
) -> None:
    shares = names(data, replace(TRAIN, is_sharded=True, mode=mode, seed=seed), hosts)
    assert Counter(key for share in shares for key in share) == Counter(KEYS)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert names(data, replace(TRAIN, mode=mode, seed=seed), 2) == [KEYS, KEYS]


@pytest.mark.parametrize("mode", [Mode.FILE, Mode.LAZY])
def test_a_manifest_names_the_objects_and_their_paths(data: Context, mode: Mode) -> None:
    put(data, "manifest", json.dumps([{"prefix": "s3://data/train/"}, "b/d.csv", "a.csv"]))
    channel = replace(TRAIN, prefix="manifest", kind=DataSourceType.MANIFEST, mode=mode)
    (staged,) = input_staging.stage(ObjectAccess.of_account(data), [channel], 1)
    files = staged.inputs or staged.lazy_folders[0].files
    assert [file.path for file in files] == ["input/data/train/b/d.csv", "input/data/train/a.csv"]
    assert names(data, channel, 1) == [["train/b/d.csv", "train/a.csv"]]


@pytest.mark.parametrize("mode", Mode)
def test_the_names_of_a_manifest_follow_its_prefix_as_they_are(data: Context, mode: Mode) -> None:
    put(data, "manifest", json.dumps([{"prefix": "s3://data/train"}, "/b/d.csv"]))
    channel = replace(TRAIN, prefix="manifest", kind=DataSourceType.MANIFEST, mode=mode)
    assert names(data, channel, 1) == [["train/b/d.csv"]]
    staged = input_staging.stage(ObjectAccess.of_account(data), [channel], 1)[0]
    paths = [file.path for file in (*staged.inputs, *(f for folder in staged.lazy_folders for f in folder.files))]
    assert paths == ([] if mode == Mode.PIPE else ["input/data/train/b/d.csv"])


@pytest.mark.parametrize("prefix", ["s3://data/train", "s3://data/train/"])
def test_a_manifest_whose_prefix_or_names_have_the_slash_names_the_same_object(data: Context, prefix: str) -> None:
    put(data, "manifest", json.dumps([{"prefix": prefix}, "a.csv" if prefix.endswith("/") else "/a.csv"]))
    channel = replace(TRAIN, prefix="manifest", kind=DataSourceType.MANIFEST)
    [found] = input_staging.stage(ObjectAccess.of_account(data), [channel], 1)[0].inputs
    assert (found.path, found.source) == ("input/data/train/a.csv", "s3://data/train/a.csv")


@pytest.mark.parametrize("mode", [Mode.FILE, Mode.LAZY])
def test_a_manifest_that_names_an_object_twice_is_refused_by_its_name(data: Context, mode: Mode) -> None:
    put(data, "manifest", json.dumps([{"prefix": "s3://data/train/"}, "a.csv", "b/d.csv", "a.csv"]))
    channel = replace(TRAIN, prefix="manifest", kind=DataSourceType.MANIFEST, mode=mode)
    with pytest.raises(StagingError, match=r"s3://data/manifest names 'a.csv' twice"):
        input_staging.stage(ObjectAccess.of_account(data), [channel], 1)


def test_an_augmented_manifest_gives_the_attributes_in_the_requested_order(data: Context) -> None:
    lines = [
        {"label": 1, "other": "x", "image-ref": "s3://data/train/a.csv"},
        {"image-ref": "s3://data/train/e.csv", "label": {"a": [1, 2.5, None]}},
        {"image-ref": "s3://data/train/f.csv", "label": 'it\'s a "cat"\nor é'},
    ]
    put(data, "lines", "\n".join(map(json.dumps, lines)) + "\n\n")
    channel = Channel(
        "train", "data", "lines", kind=DataSourceType.AUGMENTED, mode=Mode.PIPE, attributes=("image-ref", "label")
    )
    (staged,) = input_staging.stage(ObjectAccess.of_account(data), [channel], 1)
    sent = [
        [piece if isinstance(piece, str) else read(data, piece) for piece in record]
        for record in staged.streams[0].records
    ]
    assert sent == [
        ["train/a.csv", "1"],
        ["train/e.csv", '{"a":[1,2.5,null]}'],
        ["train/f.csv", 'it\'s a "cat"\nor é'],
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "Line 2 of the augmented manifest s3://data/lines"),
        ("[1]", "It is not a JSON object"),
        ('{"label": 1}', "no attribute 'image-ref'"),
        ('{"image-ref": 5}', "is not an S3 URI"),
        ('{"image-ref": "s3://data/nothing"}', "nothing"),
        ('{"image-ref": "s3://nobody/nothing"}', "nobody"),
        ("[" * 100_000, "Line 2"),
        ('"' + "x" * (1 << 20), "more than 1048576 bytes"),
    ],
)
def test_a_bad_line_of_an_augmented_manifest_is_named(data: Context, line: str, says: str) -> None:
    put(data, "lines", '{"image-ref": "s3://data/train/a.csv"}\n' + line + "\n")
    channel = Channel(
        "train", "data", "lines", kind=DataSourceType.AUGMENTED, mode=Mode.PIPE, attributes=("image-ref",)
    )
    with pytest.raises(StagingError, match=says):
        input_staging.stage(ObjectAccess.of_account(data), [channel], 1)


@pytest.mark.parametrize("mode", Mode)
def test_a_channel_without_data_fails_and_an_optional_one_gives_nothing(data: Context, mode: Mode) -> None:
    nothing = replace(TRAIN, prefix="nothing/", mode=mode)
    with pytest.raises(StagingError, match='No S3 objects found under S3 URL "s3://data/nothing/"'):
        input_staging.stage(ObjectAccess.of_account(data), [nothing], 1)
    assert names(data, replace(nothing, is_optional=True), 1) == [[]]


@pytest.mark.parametrize("key", ["train/../x", "train/a//b", "train/./x", "train/a\0b"])
@pytest.mark.parametrize("mode", [Mode.FILE, Mode.LAZY])
def test_a_key_that_is_not_a_path_is_refused(data: Context, key: str, mode: Mode) -> None:
    put(data, key, "x")
    with pytest.raises(StagingError, match="cannot be used as a file path"):
        input_staging.stage(ObjectAccess.of_account(data), [replace(TRAIN, mode=mode)], 1)


def test_lazy_files_that_cannot_be_beside_each_other_are_named(data: Context) -> None:
    put(data, "train/a.csv/inner", "x")
    with pytest.raises(StagingError, match=r"'input/data/train/a.csv' would be a file and"):
        input_staging.stage(ObjectAccess.of_account(data), [replace(TRAIN, mode=Mode.LAZY)], 1)


def test_a_lazy_name_that_no_file_system_takes_is_refused(data: Context) -> None:
    put(data, "train/" + "é" * 128, "x")
    with pytest.raises(StagingError, match="more than 255 bytes"):
        input_staging.stage(ObjectAccess.of_account(data), [replace(TRAIN, mode=Mode.LAZY)], 1)


def test_versions_of_an_object_replaced_while_a_program_reads_it_are_never_mixed(data: Context) -> None:
    (staged,) = input_staging.stage(ObjectAccess.of_account(data), [replace(TRAIN, mode=Mode.LAZY)], 1)
    put(data, "train/a.csv", "replaced")
    with pytest.raises(StagingError, match=r"s3://data/train/a.csv was replaced while a job read it"):
        read(data, staged.lazy_folders[0].files[0])


def test_a_version_is_read_on_after_it_was_replaced(data: Context) -> None:
    buckets.set_versioning(data, "data", buckets.ENABLED)
    put(data, "train/a.csv", "first")
    (staged,) = input_staging.stage(ObjectAccess.of_account(data), [replace(TRAIN, mode=Mode.PIPE)], 1)
    put(data, "train/a.csv", "second")
    piece = staged.streams[0].records[0][0]
    assert isinstance(piece, InputSource)
    assert read(data, piece) == "first"


def test_a_range_of_an_object_is_read(data: Context) -> None:
    put(data, "digits", "0123456789" * 100_000)
    source = inputs.source_of("data", "digits")
    assert b"".join(inputs.fetch(data, source, 999_995)) == b"56789"
    assert b"".join(inputs.fetch(data, source, 500_003, 500_006)) == b"345"
    assert b"".join(inputs.fetch(data, source, 3, 3)) == b""
