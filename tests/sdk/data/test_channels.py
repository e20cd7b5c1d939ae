"""Tables, files and URLs become channels in the format that the model's code reads."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import storage
from lowcloud.sdk.connection import Cloud, connect
from lowcloud.sdk.data import channels
from lowcloud.sdk.data.channels import ModelKind
from tests.support.servers.server import Server

FRAME = pd.DataFrame({"x": [1.5, np.nan], "y": [True, False], "z": [3, 4]})


@pytest.fixture
def cloud(at_home: Server) -> Cloud:
    """The running cloud."""
    return connect()


def create(
    cloud: Cloud, data: object, validation: object = None, target: object = None, **options: object
) -> list[channels.Channel]:
    """The channels of a job of a built-in algorithm."""
    prepared = channels.prepare(
        cloud, data, validation, target, channels.Consumer(ModelKind.BUILT_IN, "xgboost"), **options
    )
    return prepared.upload(cloud)


def content(cloud: Cloud, channel: channels.Channel, file: str) -> bytes:
    return storage.download(cloud, channel.url + file)


def test_built_in_algorithms_get_numeric_csv_with_the_label_first(cloud):
    for source in (FRAME, pl.DataFrame(FRAME.to_dict("list"))):
        [channel] = create(cloud, source, None, "y")
        assert content(cloud, channel, "train.csv") == b"1,1.5,3\n0,,4\n"
        assert channel.content_type == "text/csv"


@pytest.mark.parametrize(("target", "first"), [(None, 5.0), (1, 6.0), (-1, 7.0)])
def test_the_label_of_an_array_is_selected_by_number(cloud, target, first):
    [channel] = create(cloud, np.array([[5.0, 6.0, 7.0]]), None, target)
    assert float(content(cloud, channel, "train.csv").split(b",")[0]) == first


def test_the_label_of_a_file_with_a_header_is_moved_and_a_file_without_is_unchanged(cloud, tmp_path):
    (tmp_path / "named.csv").write_text("a,label\n1,0\n2,1\n")
    (tmp_path / "bare.csv").write_text("0,1\n1,2\n")
    [named] = create(cloud, tmp_path / "named.csv", None, "label")
    assert content(cloud, named, "train.csv") == b"0,1\n1,2\n"
    [bare] = create(cloud, str(tmp_path / "bare.csv"), None, None)
    assert content(cloud, bare, "train.csv") == b"0,1\n1,2\n"


def test_a_fraction_of_a_file_is_held_out_with_and_without_a_header(cloud, tmp_path):
    rows = [f"{row % 2},{row}" for row in range(10)]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    (tmp_path / "named.csv").write_text("\n".join(["label,x", *rows]))
    for name, target in (("bare.csv", None), ("named.csv", "label")):
        train, held_out = create(cloud, tmp_path / name, 0.2, target)
        assert (train.name, held_out.name) == ("train", "validation")
        lines = [
            line
            for channel in (train, held_out)
            for line in content(cloud, channel, f"{channel.name}.csv").decode().split()
        ]
        assert sorted(float(line.split(",")[1]) for line in lines) == list(range(10))


def test_content_types_follow_from_file_names_where_files_are_sent_as_they_are(cloud, tmp_path):
    (tmp_path / "data.libsvm").write_text("1 0:1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "part.parquet").write_bytes(b"PAR1")
    [libsvm] = create(cloud, tmp_path / "data.libsvm")
    assert (libsvm.content_type, content(cloud, libsvm, "data.libsvm")) == ("text/libsvm", b"1 0:1\n")
    prepared = channels.prepare(
        cloud, tmp_path / "folder", None, None, channels.Consumer(ModelKind.BUILT_IN, "xgboost", is_raw=True)
    )
    assert prepared.upload(cloud)[0].content_type == "application/x-parquet"
    at = storage.upload(cloud, {"a/part.csv": b"1,2\n"})
    [there] = create(cloud, at)
    assert (there.url, there.content_type) == (at, "text/csv")


@pytest.mark.parametrize("marker", ["_SUCCESS", "", ".part.crc", "_temporary/0/part.csv", "a.csv"])
def test_the_content_type_at_a_url_is_that_of_the_first_object_with_data(cloud, marker):
    at = storage.upload(cloud, {"part-0.snappy.parquet": b"PAR1"})
    bucket, prefix = storage.parse_url(at)
    body = b"" if marker in ("", "_SUCCESS", "a.csv") else b"x"
    cloud.s3.put_object(Bucket=bucket, Key=prefix + marker, Body=body)
    assert prefix.endswith("/")
    for url in (at, at.rstrip("/")):
        [channel] = create(cloud, url)
        assert channel.content_type == "application/x-parquet"


def test_a_url_without_objects_has_no_content_type(cloud):
    at = storage.upload(cloud, {"_SUCCESS": b"", "_log": b"x"})
    assert create(cloud, at)[0].content_type is None


@pytest.mark.parametrize(
    ("table", "index"),
    [
        (FRAME.set_index("x"), " 'x'"),
        (FRAME.set_index(["x", "z"]).assign(a=1), " 'x', 'z'"),
        (FRAME.set_axis(["a", "b"], axis=0), ""),
        (FRAME[::-1], ""),
        (FRAME.rename_axis("row"), " 'row'"),
        (FRAME, None),
        (FRAME.set_axis([0, 1], axis=0), None),
    ],
)
def test_the_index_of_a_dataframe_that_is_left_out_is_told(prepare, table, index):
    told = f"the data: the index{index} of the DataFrame was left out (its reset_index() makes it a column)"
    assert prepare(table, "y").notes == (() if index is None else (told,))
    assert prepare(table, "y", reading={"index": "drop"}).notes == ()


@pytest.mark.parametrize(("kind", "count"), [(ModelKind.SCRIPT, 1), (ModelKind.FUNCTION, 0)])
def test_a_script_gets_no_index_and_is_told_and_a_function_gets_it(kind, count):
    prepared = channels.prepare(None, FRAME.set_index("x"), None, None, channels.Consumer(kind))
    assert [note.partition(" of the")[0] for note in prepared.notes] == ["train: the index 'x'"] * count


def test_validation_is_combined_with_a_mapping_of_other_channels(prepare):
    table = pd.DataFrame({"x": range(10), "y": 0.5})
    held_out = prepare({"train": table, "test": table}, "y", validation=0.2)
    lines = {name: content[f"{name}.csv"].count(b"\n") for name, content in held_out.files.items()}
    assert lines == {"train": 8, "validation": 2, "test": 10}
    given = prepare({"train": table}, "y", validation=table)
    assert given.files["validation"]["validation.csv"] == given.files["train"]["train.csv"]
