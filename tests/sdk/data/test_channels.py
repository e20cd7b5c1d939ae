"""Tables, files and URLs become channels in the format that the model's code reads."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError, storage
from lowcloud.sdk.connection import Cloud, connect
from lowcloud.sdk.data import channels
from lowcloud.sdk.data.channels import ModelKind
from tests.support.servers.server import Server

FRAME = pd.DataFrame({"x": [1.5, np.nan], "y": [True, False], "z": [3, 4]})


@pytest.fixture
def cloud(at_home: Server) -> Cloud:
    """The running cloud."""
    return connect()


def content(cloud: Cloud, channel: channels.Channel, file: str) -> bytes:
    return storage.download(cloud, channel.url + file)


def test_built_in_algorithms_get_numeric_csv_with_the_label_first(cloud):
    for source in (FRAME, pl.DataFrame(FRAME.to_dict("list"))):
        [channel] = channels.create_channels(cloud, source, None, "y", ModelKind.BUILT_IN)
        assert content(cloud, channel, "train.csv") == b"1,1.5,3\n0,,4\n"
        assert channel.content_type == "text/csv"


@pytest.mark.parametrize(("target", "first"), [(None, 5.0), (1, 6.0), (-1, 7.0)])
def test_the_label_of_an_array_is_selected_by_number(cloud, target, first):
    [channel] = channels.create_channels(cloud, np.array([[5.0, 6.0, 7.0]]), None, target, ModelKind.BUILT_IN)
    assert float(content(cloud, channel, "train.csv").split(b",")[0]) == first


def test_the_label_of_a_file_with_a_header_is_moved_and_a_file_without_is_unchanged(cloud, tmp_path):
    (tmp_path / "named.csv").write_text("a,label\n1,0\n2,1\n")
    (tmp_path / "bare.csv").write_text("0,1\n1,2\n")
    [named] = channels.create_channels(cloud, tmp_path / "named.csv", None, "label", ModelKind.BUILT_IN)
    assert content(cloud, named, "train.csv") == b"0,1\n1,2\n"
    [bare] = channels.create_channels(cloud, str(tmp_path / "bare.csv"), None, None, ModelKind.BUILT_IN)
    assert content(cloud, bare, "bare.csv") == b"0,1\n1,2\n"


def test_a_fraction_of_a_file_is_held_out_with_and_without_a_header(cloud, tmp_path):
    rows = [f"{row % 2},{row}" for row in range(10)]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    (tmp_path / "named.csv").write_text("\n".join(["label,x", *rows]))
    for name, target in (("bare.csv", None), ("named.csv", "label")):
        train, held_out = channels.create_channels(cloud, tmp_path / name, 0.2, target, ModelKind.BUILT_IN)
        assert (train.name, held_out.name) == ("train", "validation")
        lines = [
            line
            for channel in (train, held_out)
            for line in content(cloud, channel, f"{channel.name}.csv").decode().split()
        ]
        assert sorted(float(line.split(",")[1]) for line in lines) == list(range(10))


def test_content_types_follow_from_file_names(cloud, tmp_path):
    (tmp_path / "data.libsvm").write_text("1 0:1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "part.parquet").write_bytes(b"")
    types = {
        str(path): channels.create_channels(cloud, path, None, None, ModelKind.BUILT_IN)[0].content_type
        for path in (tmp_path / "data.libsvm", tmp_path / "folder")
    }
    assert list(types.values()) == ["text/libsvm", "application/x-parquet"]
    at = storage.upload(cloud, {"a/part.csv": b"1,2\n"})
    assert channels.create_channels(cloud, at, None, None, ModelKind.BUILT_IN)[0].content_type == "text/csv"


def test_validation_with_a_mapping_is_refused(cloud):
    with pytest.raises(InvalidInputError, match="name a channel 'validation' in the mapping"):
        channels.create_channels(cloud, {"train": FRAME}, FRAME, "y", ModelKind.BUILT_IN)
