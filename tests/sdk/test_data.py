"""Data becomes channels in the form that what trains on it reads."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError, data, storage
from lowcloud.sdk.cloud import Cloud, connect
from lowcloud.sdk.data import Style
from tests.support.server import Server

FRAME = pd.DataFrame({"x": [1.5, np.nan], "y": [True, False], "z": [3, 4]})


@pytest.fixture
def cloud(at_home: Server) -> Cloud:
    """The running cloud."""
    return connect()


def content(cloud: Cloud, channel: data.Channel, file: str) -> bytes:
    return storage.read(cloud, channel.url + file)


def test_a_built_in_reads_the_label_first_and_numbers_alone(cloud):
    for source in (FRAME, pl.DataFrame(FRAME.to_dict("list"))):
        [channel] = data.channels(cloud, source, None, "y", Style.BUILT_IN)
        assert content(cloud, channel, "train.csv") == b"1,1.5,3\n0,,4\n"
        assert channel.content_type == "text/csv"


@pytest.mark.parametrize(("target", "first"), [(None, 5.0), (1, 6.0), (-1, 7.0)])
def test_the_label_of_an_array_is_named_by_its_number(cloud, target, first):
    [channel] = data.channels(cloud, np.array([[5.0, 6.0, 7.0]]), None, target, Style.BUILT_IN)
    assert float(content(cloud, channel, "train.csv").split(b",")[0]) == first


def test_a_file_with_names_gives_its_label_and_one_without_goes_as_it_is(cloud, tmp_path):
    (tmp_path / "named.csv").write_text("a,label\n1,0\n2,1\n")
    (tmp_path / "bare.csv").write_text("0,1\n1,2\n")
    [named] = data.channels(cloud, tmp_path / "named.csv", None, "label", Style.BUILT_IN)
    assert content(cloud, named, "train.csv") == b"0,1\n1,2\n"
    [bare] = data.channels(cloud, str(tmp_path / "bare.csv"), None, None, Style.BUILT_IN)
    assert content(cloud, bare, "bare.csv") == b"0,1\n1,2\n"


def test_a_fraction_of_a_file_is_held_back_whether_it_has_names_or_not(cloud, tmp_path):
    rows = [f"{row % 2},{row}" for row in range(10)]
    (tmp_path / "bare.csv").write_text("\n".join(rows))
    (tmp_path / "named.csv").write_text("\n".join(["label,x", *rows]))
    for name, target in (("bare.csv", None), ("named.csv", "label")):
        train, held_back = data.channels(cloud, tmp_path / name, 0.2, target, Style.BUILT_IN)
        assert (train.name, held_back.name) == ("train", "validation")
        lines = [
            line
            for channel in (train, held_back)
            for line in content(cloud, channel, f"{channel.name}.csv").decode().split()
        ]
        assert sorted(float(line.split(",")[1]) for line in lines) == list(range(10))


def test_files_are_of_the_type_that_their_names_say(cloud, tmp_path):
    (tmp_path / "data.libsvm").write_text("1 0:1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "part.parquet").write_bytes(b"")
    types = {
        str(path): data.channels(cloud, path, None, None, Style.BUILT_IN)[0].content_type
        for path in (tmp_path / "data.libsvm", tmp_path / "folder")
    }
    assert list(types.values()) == ["text/libsvm", "application/x-parquet"]
    at = storage.put(cloud, {"a/part.csv": b"1,2\n"})
    assert data.channels(cloud, at, None, None, Style.BUILT_IN)[0].content_type == "text/csv"


def test_validation_beside_a_mapping_is_refused(cloud):
    with pytest.raises(InvalidInputError, match="name a channel 'validation' in the mapping"):
        data.channels(cloud, {"train": FRAME}, FRAME, "y", Style.BUILT_IN)
