"""The contract of engines, whichever machine they run work on."""

import time

import pytest

from lowcloud.engine.work import Engine, Phase, Replica, Work
from tests.support.engines import SMALL, ended, log_lines, output, python, work
from tests.support.waiting import wait_for


def test_a_program_runs_and_its_exit_code_and_times_are_kept(engine: Engine) -> None:
    before = time.time()
    engine.start(work("sh", "-c", "echo one; echo two >&2; exit 3"))
    (status,) = ended(engine)
    assert (status.phase, status.exit_code, status.out_of_memory) == (Phase.EXITED, 3, False)
    assert status.started_at is not None and status.ended_at is not None
    assert before - 1 <= status.started_at <= status.ended_at <= time.time() + 1
    assert output(engine) == ["one", "two"]
    assert all(before - 1 < line.timestamp_ms / 1000 < time.time() + 1 for line in log_lines(engine))


def test_an_unknown_work_has_no_status_and_no_log(engine: Engine) -> None:
    assert engine.status("w") == ()
    assert engine.logs("w", 0, 0).lines == ()
    engine.stop("w", 1)
    engine.remove("w")


def test_a_program_ended_by_a_signal_has_its_negative_number(engine: Engine) -> None:
    engine.start(work("sh", "-c", "kill -USR1 $$"))
    assert ended(engine)[0].exit_code == -10


def test_a_command_that_does_not_exist_says_so_in_the_log(engine: Engine) -> None:
    engine.start(work("no-such-program"))
    assert ended(engine)[0].exit_code == 127
    assert output(engine) == ["no-such-program: No such file or directory"]


def test_starting_a_work_again_changes_nothing(engine: Engine) -> None:
    for _ in range(3):
        engine.start(work("sh", "-c", "echo once"))
    ended(engine)
    engine.start(work("sh", "-c", "echo once"))
    assert output(engine) == ["once"]


def test_a_work_id_may_hold_any_characters(engine: Engine) -> None:
    engine.start(work("true", work_id="w/é: *?"))
    assert ended(engine, "w/é: *?")[0].exit_code == 0


def test_stop_lets_a_program_end_in_its_own_way(engine: Engine) -> None:
    leave = "import os, signal, time; signal.signal(15, lambda *_: (print('bye'), os._exit(7)));"
    engine.start(python(leave + "print('ready'); time.sleep(60)"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.stop("w", 20)
    assert ended(engine)[0].exit_code == 7
    assert output(engine) == ["ready", "bye"]


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(engine: Engine) -> None:
    engine.start(python("import signal,time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"))
    wait_for(lambda: output(engine) == ["ready"])
    began = time.monotonic()
    engine.stop("w", 0.5)
    assert ended(engine)[0].exit_code == -9
    assert 0.4 < time.monotonic() - began < 10


def test_a_second_stop_can_shorten_the_grace(engine: Engine) -> None:
    engine.start(work("sh", "-c", "trap : TERM; echo ready; while true; do sleep 0.01; done"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.stop("w", 600)
    engine.stop("w", 0)
    assert ended(engine)[0].exit_code == -9


def test_a_repeated_stop_signals_the_program_once(engine: Engine) -> None:
    program = (
        "import signal, time; asked = []; signal.signal(15, lambda *_: asked.append(1)); print('ready', flush=True);"
        "\nwhile not asked: time.sleep(0.01)"
        "\ntime.sleep(0.3); print(len(asked))"
    )
    engine.start(python(program))
    wait_for(lambda: output(engine) == ["ready"])

    def has_ended_when_stopped_again() -> bool:
        engine.stop("w", 600)
        return engine.status("w")[0].phase != Phase.RUNNING

    wait_for(has_ended_when_stopped_again)
    assert output(engine) == ["ready", "1"]


def test_each_replica_has_its_own_log_and_folder_and_they_share_the_rendezvous(engine: Engine) -> None:
    program = (
        "import os, pathlib, time; me = os.environ['RANK']; meet = pathlib.Path(os.environ['LOWCLOUD_RENDEZVOUS']);"
        "(meet / me).write_text('here ' + me); other = meet / str(1 - int(me)); end = time.time() + 20\n"
        "while not (other.exists() and other.read_text()) and time.time() < end: time.sleep(0.01)\n"
        "print(other.read_text())"
    )
    engine.start(python(program, replicas=(Replica({"RANK": "0"}), Replica({"RANK": "1"}))))
    assert [status.exit_code for status in ended(engine)] == [0, 0], output(engine) + output(engine, replica=1)
    assert (output(engine, replica=0), output(engine, replica=1)) == (["here 1"], ["here 0"])


TALK = (
    "import json, os, socket, time; hosts = json.loads(os.environ['LOWCLOUD_HOSTS']); me = os.environ['ME']\n"
    "if me == 'algo-1':\n"
    "    connection, _ = socket.create_server((hosts[me], 7001)).accept()\n"
    "else:\n"
    "    end = time.time() + 20\n"
    "    while True:\n"
    "        try: connection = socket.create_connection((hosts['algo-1'], 7001)); break\n"
    "        except ConnectionRefusedError: assert time.time() < end; time.sleep(0.01)\n"
    "connection.send(me.encode()); print(connection.recv(10).decode())"
)


@pytest.mark.parametrize("network", [False, True])
def test_the_replicas_of_a_work_reach_each_other_at_addresses_of_their_own(engine: Engine, network: bool) -> None:
    replicas = (Replica({"ME": "algo-1"}), Replica({"ME": "algo-2"}))
    engine.start(Work("w", ("python", "-c", TALK), replicas, SMALL, network=network))
    assert [status.exit_code for status in ended(engine)] == [0, 0], output(engine) + output(engine, replica=1)
    assert (output(engine), output(engine, replica=1)) == (["algo-2"], ["algo-1"])


def test_logs_are_read_on_from_an_offset_while_the_program_runs(engine: Engine) -> None:
    engine.start(work("sh", "-c", "echo a; read x < /dev/null; sleep 0.2; echo b"))
    wait_for(lambda: len(output(engine)) == 1)
    first = engine.logs("w", 0, 0)
    ended(engine)
    second = engine.logs("w", 0, first.next_offset)
    assert [line.text for line in second.lines] == ["b"]
    assert engine.logs("w", 0, second.next_offset) == type(second)((), second.next_offset)


def test_remove_ends_a_running_program_and_forgets_it(engine: Engine) -> None:
    engine.start(work("sh", "-c", "echo ready; sleep 60"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.remove("w")
    assert engine.status("w") == ()
    engine.remove("w")


def test_capacity_and_isolation_are_reported(engine: Engine) -> None:
    capacity = engine.capacity()
    assert capacity.cpus >= 1
    assert capacity.memory_bytes > 1 << 28
    assert engine.isolation().endswith(".")


def test_a_log_over_its_limit_keeps_its_beginning_and_its_end_and_says_what_is_missing(engine: Engine) -> None:
    program = "for number in range(200_000): print('line', number)"
    engine.start(Work("w", ("python", "-c", program), (Replica(),), SMALL, log_bytes=1 << 20))
    assert ended(engine)[0].exit_code == 0
    found = output(engine)
    assert (found[0], found[-1]) == ("line 0", "line 199999")
    assert sum(map(len, found)) < 1 << 20
    (note,) = (line for line in found if not line.startswith("line "))
    printed = sum(len(f"line {number}\n") for number in range(200_000))
    omitted = printed - sum(len(line) + 1 for line in found if line != note)
    assert note == f"{omitted} bytes of output are omitted here, because the log has reached 1 MiB."


def test_a_users_variables_do_not_replace_those_of_the_contract(engine: Engine) -> None:
    names = ("SAGEMAKER_BASE_DIR", "LOWCLOUD_SOCKET", "LOWCLOUD_RENDEZVOUS", "LOWCLOUD_REPLICA")
    theirs = Replica({**dict.fromkeys(names, "/tmp/theirs"), "OWN": "kept", "LANG": "de_DE.UTF-8"})
    engine.start(python(f"import os; [print(os.environ[name]) for name in ('OWN', 'LANG', *{names})]", (theirs,)))
    ended(engine)
    own, language, *found = output(engine)
    assert (own, language) == ("kept", "de_DE.UTF-8")
    assert len(found) == len(names) and "/tmp/theirs" not in found
