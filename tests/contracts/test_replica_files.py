"""The files between an engine and a supervisor keep their names: supervisors of an earlier version may still run."""

from lowcloud import contract

NAMES_OF_0_1_0 = {
    "LAUNCH_SPEC_FILE": "plan.json",
    "LOCK_FILE": "lock",
    "LOG_FILE": "log",
    "STARTED_FILE": "started",
    "EXIT_FILE": "exit",
    "STOP_FILE": "stop",
    "SUPERVISOR_LOG_FILE": "supervisor.log",
    "CONTROL_FIFO": "control",
    "FEEDS_FOLDER": "feeds",
    "FEED_SOCKET": "feed",
    "FEED_ERROR_FILE": "fault",
    "REPLICA_VARIABLE": "LOWCLOUD_REPLICA",
}


def test_files_of_a_replica_have_the_names_of_the_first_version():
    assert {name: getattr(contract, name) for name in NAMES_OF_0_1_0} == NAMES_OF_0_1_0
