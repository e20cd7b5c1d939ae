"""What LocalEngine does beyond the engine contract: processes, sandbox, hostile programs."""

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation, launch_spec
from lowcloud.engine.work import Input, Phase, Replica, Resources, StagingError, Work
from tests.support.engines import IS_LINUX_ROOT, MODES, MakeEngine, output, processes
from tests.support.waiting import wait_for

GENEROUS = Resources(cpus=1, memory_bytes=1 << 30)
needs_root = pytest.mark.skipif(not IS_LINUX_ROOT, reason="namespaces and user ids of one's own need root on Linux")


@pytest.fixture(params=MODES)
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> LocalEngine:
    return make_engine(failing_fetch, mode=request.param)


@pytest.fixture
def isolated(make_engine: MakeEngine) -> LocalEngine:
    engine = make_engine(failing_fetch)
    if "namespaces" not in engine.isolation() or "ordinary" in engine.isolation():
        pytest.skip("this machine allows no namespaces")
    return engine


def failing_fetch(source: str) -> Iterator[bytes]:
    raise OSError(5, f"Input/output error at {source}")


def run(engine: LocalEngine, *command: str, resources: Resources = GENEROUS, work_id: str = "w") -> list[str]:
    """Run a command to its end and return its output."""
    engine.start(Work(work_id, command, (Replica(),), resources))
    wait_for(lambda: engine.status(work_id)[0].phase != Phase.RUNNING)
    return output(engine, work_id)


def replica_folder(engine: LocalEngine, tmp_path: Path) -> Path:
    (path,) = (tmp_path / "home" / "work").glob("*-w/0")
    return path


def test_processes_left_by_a_program_end_with_it(engine: LocalEngine) -> None:
    seconds = f"86{os.getpid()}"
    script = f"sleep {seconds} & setsid sleep {seconds} & setsid sh -c 'sleep {seconds} & sleep {seconds}' & sleep 0.2"
    run(engine, "sh", "-c", script)
    assert engine.status("w")[0].exit_code == 0
    assert processes(f"sleep {seconds}") == []


def test_the_program_of_a_killed_supervisor_is_killed_too_and_the_replica_is_lost(
    engine: LocalEngine, tmp_path: Path
) -> None:
    seconds = f"87{os.getpid()}"
    engine.start(Work("w", ("sh", "-c", f"setsid sleep {seconds} & sleep {seconds}"), (Replica(),), GENEROUS))
    wait_for(lambda: len(processes(f"sleep {seconds}")) >= 2)
    assert engine.status("w")[0].phase == Phase.RUNNING
    os.kill(int((replica_folder(engine, tmp_path) / "lock").read_text()), signal.SIGKILL)
    wait_for(lambda: engine.status("w")[0].phase == Phase.LOST)
    first = engine.status("w")
    assert first[0].exit_code is None
    wait_for(lambda: processes(f"sleep {seconds}") == [])
    assert engine.status("w") == first
    engine.start(Work("w", ("true",), (Replica(),), GENEROUS))
    assert engine.status("w") == first, "a lost program is not started again under its id"


def test_sigterm_to_the_supervisor_ends_the_program_gently(engine: LocalEngine, tmp_path: Path) -> None:
    program = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(5)); print('ready'); time.sleep(60)"
    engine.start(Work("w", ("python", "-c", program), (Replica(),), GENEROUS))
    wait_for(lambda: output(engine) == ["ready"])
    os.kill(int((replica_folder(engine, tmp_path) / "lock").read_text()), signal.SIGTERM)
    wait_for(lambda: engine.status("w")[0].phase == Phase.EXITED)
    assert engine.status("w")[0].exit_code == 5


def test_a_million_lines_arrive_completely_and_in_order(engine: LocalEngine) -> None:
    lines = run(engine, "python", "-c", "print('\\n'.join(map(str, range(1_000_000))))")
    assert len(lines) == 1_000_000
    assert lines == list(map(str, range(1_000_000)))


def test_any_bytes_become_text_and_a_last_line_needs_no_newline(engine: LocalEngine) -> None:
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)) + b'\\n\\n\\xff tail')"
    lines = run(engine, "python", "-c", program)
    data = bytes(range(256)) + b"\n\n\xff tail"
    assert lines == data.decode(errors="replace").split("\n")


def test_very_long_lines_are_cut_into_parts(engine: LocalEngine) -> None:
    lines = run(engine, "python", "-c", "print('x' * 1_000_000); print('end')")
    assert lines[-1] == "end"
    assert "".join(lines[:-1]) == "x" * 1_000_000
    assert max(map(len, lines)) <= 256 * 1024 + 65536


def test_a_program_that_closes_its_output_is_still_waited_for(engine: LocalEngine) -> None:
    program = "import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(4)"
    run(engine, "python", "-c", program)
    assert engine.status("w")[0].exit_code == 4


def test_nothing_of_the_servers_environment_reaches_a_program(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOWCLOUD_ROOT_SECRET_ACCESS_KEY", "a-very-secret-key")
    engine.warm_up()
    engine.wait_until_ready(60)
    names = {line.partition("=")[0] for line in run(engine, "env")}
    assert not {"LOWCLOUD_ROOT_SECRET_ACCESS_KEY", "PYTHONPATH", "USER", "PYTEST_CURRENT_TEST"} & names
    assert {"PATH", "HOME", "TMPDIR", "LANG", "SAGEMAKER_BASE_DIR"} <= names


def test_a_program_can_ask_who_its_user_is(engine: LocalEngine) -> None:
    assert run(engine, "python", "-c", "import getpass; print(getpass.getuser())") == ["replica"]


def test_an_unreadable_input_fails_the_staging_with_the_reason(engine: LocalEngine) -> None:
    replica = Replica(inputs=(Input("input/data/train/x.csv", "s3://b/x.csv", 3),))
    with pytest.raises(StagingError, match=r"'input/data/train/x.csv' could not be written.*Input/output error"):
        engine.start(Work("w", ("true",), (replica,), GENEROUS))
    assert engine.status("w")[0].phase == Phase.STAGING


def test_a_stop_before_the_start_keeps_the_program_from_running(engine: LocalEngine, tmp_path: Path) -> None:
    failing = Replica(inputs=(Input("x", "s3://b/x", 3),))
    with pytest.raises(StagingError):
        engine.start(Work("w", ("echo", "ran"), (failing,), GENEROUS))
    engine.stop("w", 5)
    engine.start(Work("w", ("echo", "ran"), (Replica(),), GENEROUS))
    wait_for(lambda: engine.status("w")[0].phase == Phase.EXITED)
    assert engine.status("w")[0].exit_code == -signal.SIGTERM
    assert output(engine) == []


def test_one_work_started_by_many_threads_runs_once_and_all_wait_for_it(engine: LocalEngine, tmp_path: Path) -> None:
    work = Work("w", ("sh", "-c", "echo ran; sleep 0.1"), (Replica(),), GENEROUS)
    threads = [threading.Thread(target=engine.start, args=(work,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: engine.status("w")[0].phase == Phase.EXITED)
    assert output(engine) == ["ran"]


def test_a_supervisor_that_fails_is_reported_at_once_with_its_reason(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.isolation()
    monkeypatch.setattr(launch_spec, "build", lambda *_: {"sandbox": {}})
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"did not start its program(.|\n)*KeyError"):
        engine.start(Work("w", ("true",), (Replica(),), GENEROUS))
    assert time.monotonic() - began < 20


def test_a_warm_parent_that_was_killed_is_replaced(engine: LocalEngine, tmp_path: Path) -> None:
    engine._launcher.warm_up()
    process = engine._launcher._process
    assert process is not None
    process.kill()
    process.wait()
    assert run(engine, "echo", "spawned") == ["spawned"]
    engine._launcher.warm_up()
    assert engine._launcher._process is not None and engine._launcher._process.poll() is None


def test_a_program_sees_its_folder_at_opt_ml_and_not_the_cloud(isolated: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "home" / "keys").mkdir()
    (tmp_path / "home" / "keys" / "secret").write_text("key")
    (tmp_path / "home" / "keys" / "secret").chmod(0o644)
    lines = run(isolated, "sh", "-c", f"ls /opt/ml; pwd; cat {tmp_path}/home/keys/secret; ls {tmp_path}/home/work")
    assert lines[:4] == ["input", "model", "output", "/opt/ml"]
    assert all("No such file" in line or "denied" in line for line in lines[4:])
    assert len(lines) == 6


def test_a_program_can_write_only_to_what_is_its_own(isolated: LocalEngine) -> None:
    package = Path(isolation.__file__).parent
    script = (
        f"for folder in /opt/ml /opt/ml/model /tmp /var/tmp /dev/shm; do echo > $folder/its-own && echo fine; done;"
        f"for folder in / /opt /var /run/lock {package} {sys.prefix}; do echo > $folder/planted && echo bad; done;"
        "echo > /dev/null"
    )
    lines = run(isolated, "bash", "-c", script)
    assert lines[:5] == ["fine"] * 5
    assert len(lines) == 11
    assert "bad" not in lines


def test_a_program_has_no_privilege_and_sees_no_other_process(isolated: LocalEngine) -> None:
    script = "grep -E 'Cap(Eff|Prm|Amb)|NoNewPrivs' /proc/self/status; ls /proc | grep -c '^[0-9]'"
    lines = [line.split() for line in run(isolated, "sh", "-c", script)]
    assert all(int(fields[1], 16) == 0 for fields in lines[:3])
    assert lines[3] == ["NoNewPrivs:", "1"]
    assert int(lines[4][0]) <= 5


def test_a_program_reaches_no_network_unless_the_work_says_so(isolated: LocalEngine) -> None:
    interfaces = "import socket; print(sorted(name for _, name in socket.if_nameindex()))"
    assert run(isolated, "python", "-c", interfaces) == ["['lo']"]
    work = Work("other", ("python", "-c", interfaces), (Replica(),), GENEROUS, network=True)
    isolated.start(work)
    wait_for(lambda: isolated.status("other")[0].phase == Phase.EXITED)
    assert output(isolated, "other") == [str(sorted(name for _, name in socket.if_nameindex()))]


@pytest.mark.parametrize("network", [False, True])
def test_replicas_know_each_other_by_name(isolated: LocalEngine, network: bool) -> None:
    program = (
        "import json, os, socket; hosts = json.loads(os.environ['LOWCLOUD_HOSTS']); print(socket.gethostname());"
        "print({name: socket.gethostbyname(name) for name in hosts} == hosts, len(set(hosts.values())));"
        "print(socket.gethostbyname('localhost'))"
    )
    isolated.start(Work("w", ("python", "-c", program), (Replica(), Replica()), GENEROUS, network))
    wait_for(lambda: all(status.phase == Phase.EXITED for status in isolated.status("w")))
    assert output(isolated) == ["algo-1", "True 2", "127.0.0.1"]
    assert isolated.logs("w", 1, 0).lines[0].text == "algo-2"


@pytest.mark.parametrize("mode", ["own-user", "namespaces"])
def test_a_works_network_is_its_own(make_engine: MakeEngine, mode: str) -> None:
    engine = make_engine(mode=mode)
    script = ("sh", "-c", "readlink /proc/self/ns/net; sleep 60")
    for work_id, count in (("w", 3), ("other", 1)):
        engine.start(Work(work_id, script, (Replica(),) * count, GENEROUS))
    wait_for(lambda: all(engine.logs("w", number, 0).lines for number in range(3)) and output(engine, "other"))
    networks = [engine.logs("w", number, 0).lines[0].text for number in range(3)]
    assert len({*networks}) == 1
    assert len({*networks, *output(engine, "other"), str(Path("/proc/self/ns/net").readlink())}) == 3


def test_loopback_works_inside(isolated: LocalEngine) -> None:
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0));"
        "c = socket.create_connection(s.getsockname()); c.send(b'x'); print(s.accept()[0].recv(1))"
    )
    assert run(isolated, "python", "-c", program) == ["b'x'"]


@needs_root
def test_each_replica_has_a_user_of_its_own_and_cannot_read_anothers_files(isolated: LocalEngine) -> None:
    program = (
        "import os, time; open('/opt/ml/model/secret', 'w').write('x'); print(os.getuid(), flush=True); time.sleep(60)"
    )
    isolated.start(Work("w", ("python", "-c", program), (Replica(), Replica()), GENEROUS))
    wait_for(lambda: all(isolated.logs("w", number, 0).lines for number in (0, 1)))
    first, second = (int(isolated.logs("w", number, 0).lines[0].text) for number in (0, 1))
    assert len({first, second, os.getuid()}) == 3
    assert isolated.read_file("w", 0, "model/secret", 10) == b"x"


@needs_root
def test_a_program_over_its_memory_is_reported_as_out_of_memory(isolated: LocalEngine) -> None:
    if not any(
        Path("/sys/fs/cgroup", name).exists() for name in ("memory/memory.limit_in_bytes", "cgroup.controllers")
    ):
        pytest.skip("this machine limits no memory")
    small = Resources(cpus=1, memory_bytes=64 << 20)
    run(
        isolated,
        "python",
        "-c",
        "x = bytearray(512 << 20); x[::4096] = bytes(len(x[::4096])); print('fits')",
        resources=small,
    )
    (status,) = isolated.status("w")
    assert (status.exit_code, status.out_of_memory) == (-signal.SIGKILL, True)


def test_a_program_over_its_memory_is_ended_where_no_group_limits_it(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_cgroup(*given: Any) -> dict[str, Any]:
        spec = build_spec(*given)
        return {**spec, "sandbox": {**spec["sandbox"], "cgroup": "\n"}}  # no group may have that name

    engine.isolation()
    build_spec = launch_spec.build
    monkeypatch.setattr(launch_spec, "build", without_cgroup)
    program = "import os, time; x = os.urandom(1 << 20) * 200; print('has', flush=True); os.fork(); time.sleep(60)"
    said = run(engine, "python", "-c", program, resources=Resources(cpus=1, memory_bytes=64 << 20))
    (status,) = engine.status("w")
    assert (status.exit_code, status.reason, said[:1]) == (-signal.SIGKILL, "out of memory", ["has"])


def test_the_machine_takes_memory_from_programs_first(isolated: LocalEngine) -> None:
    assert run(isolated, "cat", "/proc/self/oom_score_adj") == ["500"]


def test_a_gigabyte_of_output_neither_fills_the_disk_nor_hides_the_end(engine: LocalEngine, tmp_path: Path) -> None:
    program = "import os\nfor _ in range(2_000): os.write(1, b'word\\n' * 100_000)\nprint('end')"
    work = Work("w", ("python", "-c", program), (Replica(),), GENEROUS, log_bytes=1 << 20)
    engine.start(work)
    wait_for(lambda: engine.status("w")[0].phase == Phase.EXITED)
    lines = output(engine)
    assert lines[-1] == "end"
    assert (replica_folder(engine, tmp_path) / "log").stat().st_size < 4 << 20
    omitted = [int(line.split()[0]) for line in lines if "bytes of output are omitted here" in line]
    assert sum(omitted) + sum(len(line) + 1 for line in lines if not line.split()[0].isdecimal()) == 1_000_000_004


def test_landlock_hides_the_clouds_home_where_there_are_no_namespaces(make_engine: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "home" / "keys").mkdir(parents=True)
    (tmp_path / "home" / "keys" / "secret").write_text("key")
    engine = make_engine(mode="landlock")
    home = tmp_path / "home"
    script = (
        f"cat {home}/keys/secret; ls {home}; cat /proc/{os.getpid()}/environ; kill -0 {os.getpid()};"
        "echo > /var/lib/planted;"
        "echo own > model/x && cat model/x; echo tmp > $TMPDIR/x; python -c 'import ssl; print(1)'"
    )
    lines = run(engine, "bash", "-c", script)
    assert lines[-2:] == ["own", "1"]
    assert len(lines[:-2]) >= 4
    assert "planted" in lines[-3]
    assert all("ermi" in line for line in lines[:-2]), lines  # "Permission denied", "Operation not permitted"


@needs_root
def test_a_disk_filled_by_a_program_hides_neither_its_end_nor_lost_output(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path / "home")], check=True)
    engine = make_engine()
    try:
        program = (
            "import os; fill = open('/opt/ml/model/fill', 'wb', 0)\ntry:\n    while True: fill.write(bytes(65536))\n"
        )
        program += "except OSError: print('full'); print('x' * 300_000); os.unlink('/opt/ml/model/fill'); os._exit(6)"
        lines = run(engine, "python", "-c", program)
        assert engine.status("w")[0].exit_code == 6
        assert lines[-1] == "full" or "bytes of output are missing here" in lines[-1]
    finally:
        engine.remove("w")
        engine.close()
        subprocess.run(["umount", str(tmp_path / "home")], check=True)


@needs_root
def test_an_engine_inside_a_replica_separates_its_own_replicas(isolated: LocalEngine) -> None:
    """The unprivileged level: inside, this test's user is nobody, with user namespaces as the only means."""
    script = (
        "import sys, time, pathlib; from lowcloud.engine.work import *\n"
        "from lowcloud.engine.local.engine import LocalEngine\n"
        "engine = LocalEngine(pathlib.Path('/tmp/home/work'), lambda source: iter(()))\n"
        "print(engine.isolation())\n"
        "script = 'pwd; readlink /proc/self/ns/net; ls /tmp; sleep 1'\n"
        "engine.start(Work('x', ('sh', '-c', script), (Replica(), Replica()), Resources(1, 1 << 28)))\n"
        "while any(status.phase != 'exited' for status in engine.status('x')): time.sleep(0.01)\n"
        "print([line.text for line in engine.logs('x', 0, 0).lines], engine.status('x')[0].exit_code)\n"
        "print(engine.logs('x', 1, 0).lines[1].text)\n"
        "engine.remove('x')"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    isolated.start(Work("w", ("python", "-c", script), (Replica(environment),), GENEROUS))
    wait_for(lambda: isolated.status("w")[0].phase == Phase.EXITED)
    lines = output(isolated)
    if "ordinary" in lines[0]:
        pytest.skip("this machine allows no user namespaces")
    assert "under the server's uid without privileges" in lines[0]
    folder, network, *seen_in_tmp = ast.literal_eval(lines[1].rpartition(" ")[0])
    assert (folder, lines[1].rpartition(" ")[2]) == ("/opt/ml", "0")
    assert lines[2] == network != str(Path("/proc/self/ns/net").readlink())
    assert "home" not in seen_in_tmp  # the interpreter may lie below /tmp, and is then to be seen there
