"""The number of processors in a script's SM_ variables."""

import os

from lowcloud import contract
from lowcloud.engine.local.launch.launch_spec import general_variables
from lowcloud.engine.work import Replica, Resources, Work
from lowcloud.runtime.training.sm_variables import count_cpus


def test_a_host_reports_its_allocated_processors(monkeypatch):
    work = Work("w", ("true",), (Replica(),), Resources(cpus=3.5, memory_bytes=1))
    reported = general_variables(work)
    assert reported["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv(contract.CPUS_VARIABLE, reported[contract.CPUS_VARIABLE])
    assert count_cpus() == 3


def test_outside_of_a_work_a_process_reports_its_usable_processors(monkeypatch):
    monkeypatch.delenv(contract.CPUS_VARIABLE, raising=False)
    assert count_cpus() == len(os.sched_getaffinity(0))
