"""The share of a replicated channel that each host trains on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.collectives import ProcessGroup
from lowcloud.runtime.formats.channel import ChannelReader
from lowcloud.runtime.training_run import TrainingReport, TrainingRun


def run_of(rank: int, size: int, is_replicated: bool) -> TrainingRun:
    reader = ChannelReader("train", Path("train"), is_replicated=is_replicated)
    group = cast(ProcessGroup, SimpleNamespace(rank=rank, size=size))
    return TrainingRun(Path(), {}, {"train": reader}, group, TrainingReport("any", "algo-1"))


@given(st.lists(st.integers(1, 4), max_size=9), st.integers(1, 5), st.booleans())
@settings(max_examples=60)
def test_every_row_is_in_one_share_and_groups_stay_together(lengths: list[int], size: int, has_groups: bool) -> None:
    groups: Any = np.repeat(np.arange(len(lengths)), lengths)
    shares = [
        run_of(rank, size, True).share("train", len(groups), groups if has_groups else None) for rank in range(size)
    ]
    assert np.concatenate([np.arange(len(groups))[share] for share in shares]).tolist() == list(range(len(groups)))
    if has_groups:
        owners = [set(groups[share].tolist()) for share in shares]
        assert sum(map(len, owners)) == len(lengths)
    else:
        counts = [share.stop - share.start for share in shares]
        assert max(counts) - min(counts) <= 1


def test_a_host_trains_on_all_rows_of_its_objects() -> None:
    assert run_of(1, 3, False).share("train", 10) == slice(0, 10)
