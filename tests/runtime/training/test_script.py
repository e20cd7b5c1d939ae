"""Script mode, as a real process on an /opt/ml folder."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lowcloud import contract
from lowcloud.runtime.child_process import extract_error, remove_secrets
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.training.sm_variables import build_variables, format_arguments, read_job
from tests.support.programs.greeting import BACKEND, PROJECT, SYSTEM

SHOW = "import json, os, sys; json.dump({'argv': sys.argv, 'env': dict(os.environ), 'cwd': os.getcwd()}, open(%r, 'w'))"


class Base:
    """A job's folder, and the runner on it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.shown = folder / "shown.json"
        for name in ("input/config", "input/data/train", "model", "output/data", "code"):
            (folder / name).mkdir(parents=True)
        self.configure({"sagemaker_program": "train.py"})
        self.write(contract.RESOURCE_CONFIG, json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))
        self.write(contract.INPUT_DATA_CONFIG, json.dumps({"train": {"TrainingInputMode": "File"}}))

    def configure(self, hyperparameters: dict[str, object], **raw: str) -> None:
        quoted = {name: json.dumps(value) for name, value in hyperparameters.items()}
        self.write(contract.HYPERPARAMETERS, json.dumps({**quoted, **raw}))

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lowcloud.runtime.training.script", *words],
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "PYTHONPATH": str(Path.cwd()),
                "TMPDIR": str(self.folder),
                contract.BASE_DIR_VARIABLE: str(self.folder),
                **environment,
            },
            cwd=self.folder if words[:1] == ("--command",) else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, **environment: str) -> tuple[int, str]:
        process = self.start(*words, **environment)
        output = process.communicate(timeout=60)[0]
        return process.returncode, output

    def show(self) -> dict[str, object]:
        self.write("code/train.py", SHOW % str(self.shown))
        code, output = self.run()
        assert code == 0, output
        return json.loads(self.shown.read_text())

    def failure(self) -> str:
        return (self.folder / contract.FAILURE).read_text()


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path / "ml")


def test_hyperparameters_become_arguments_in_the_toolkits_form() -> None:
    given = {"epochs": 1, "flag": True, "n": None, "lr": 0.1, "map": {"b": 2, "a": 1}, "list": [1, "x"], "empty": ""}
    assert format_arguments(given) == [
        *("--empty", "", "--epochs", "1", "--flag", "True", "--list", "[1, 'x']"),
        *("--lr", "0.1", "--map", "a=1,b=2", "-n", ""),
    ]


def test_a_hyperparameter_with_a_nul_is_refused() -> None:
    with pytest.raises(ClientError, match="NUL"):
        format_arguments({"name": "a\0b"})


def test_a_script_gets_its_arguments_and_its_variables(base: Base) -> None:
    base.configure({"sagemaker_program": "train.py", "batch-size": 64, "sagemaker_x": 1, "text": "a b"}, raw="hello")
    shown = base.show()
    environment = shown["env"]
    assert isinstance(environment, dict)
    assert shown["argv"] == ["train.py", "--batch-size", "64", "--raw", "hello", "--text", "a b"]
    assert shown["cwd"] == str(base.folder / "code")
    assert json.loads(environment["SM_HPS"]) == {"batch-size": 64, "raw": "hello", "text": "a b"}
    assert environment["SM_HP_BATCH-SIZE"] == "64"
    assert environment["SM_HP_TEXT"] == "a b"
    assert environment["SM_CHANNELS"] == '["train"]'
    assert environment["SM_CHANNEL_TRAIN"] == str(base.folder / "input/data/train")
    assert environment["SM_MODEL_DIR"] == str(base.folder / "model")
    assert environment["SM_FRAMEWORK_PARAMS"] == '{"sagemaker_x":1}'
    assert json.loads(environment["SM_USER_ARGS"]) == shown["argv"][1:]  # type: ignore[index]
    assert json.loads(environment["SM_TRAINING_ENV"])["hyperparameters"]["batch-size"] == 64


@pytest.mark.parametrize(("given", "name"), [({}, "platform"), ({"sagemaker_job_name": "sdk"}, "sdk")])
def test_a_script_learns_the_name_of_its_job_from_any_client(base: Base, monkeypatch, given, name) -> None:
    monkeypatch.setenv("TRAINING_JOB_NAME", "platform")
    base.configure(given)
    found = build_variables(read_job(base.folder), "train.py")
    assert found["SAGEMAKER_JOB_NAME"] == name
    assert json.loads(found["SM_TRAINING_ENV"])["job_name"] == "platform"


def test_a_failing_script_leaves_its_traceback_and_its_exit_code(base: Base) -> None:
    base.write("code/train.py", "def fit():\n    raise ValueError('three rows are too few')\n\nfit()\n")
    code, output = base.run()
    assert code == 1
    assert output.count("ValueError: three rows are too few") == 1
    assert base.failure().startswith('ExecuteUserScriptError:\nExitCode 1\nErrorMessage "Traceback (most recent call')
    assert "ValueError: three rows are too few" in base.failure()
    assert base.failure().endswith('Command "python train.py"')


def test_a_long_traceback_keeps_the_error_within_the_length_of_a_reason(base: Base) -> None:
    base.write("code/train.py", "\n".join(f"def f{n}():\n    f{n + 1}()" for n in range(40)) + "\nf0()\n")
    base.run()
    assert len(base.failure()) < 1024
    assert "NameError: name 'f40' is not defined" in base.failure()
    assert "line 80, in f39" in base.failure()
    assert "in f0" not in base.failure()


def test_a_long_message_keeps_its_beginning(base: Base) -> None:
    base.write("code/train.py", "raise ValueError('columns differ: ' + 'x' * 100_000)")
    base.run()
    assert "ValueError: columns differ: xxx" in base.failure()
    assert len(base.failure()) < 1024


def test_an_exit_code_without_a_traceback_is_explained_by_the_last_output(base: Base) -> None:
    base.write("code/train.py", "import sys\nsys.exit('no such column: age')")
    base.run()
    assert 'ErrorMessage "no such column: age"' in base.failure()
    base.write("code/train.py", "import os\nos._exit(7)")
    (base.folder / contract.FAILURE).unlink()
    assert base.run()[0] == 7
    assert "ExitCode 7" in base.failure()


def test_a_scripts_own_failure_reason_is_kept(base: Base) -> None:
    failure = base.folder / contract.FAILURE
    base.write("code/train.py", f"open({str(failure)!r}, 'w').write('mine')\nraise SystemExit(3)")
    assert base.run()[0] == 3
    assert base.failure() == "mine"


def test_a_killed_script_has_the_exit_code_of_shells(base: Base) -> None:
    base.write("code/train.py", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert base.run()[0] == 137
    assert "SIGKILL" in base.failure()


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("absent.py", "'absent.py' is not in the source archive, which contains: train.py, lib/a.py."),
        ("lib", "'lib' is a folder of the source archive"),
        ("absent.sh", "'absent.sh' is not in the source archive"),
        ("", "The job has no entry point"),
    ],
)
def test_a_wrong_entry_point_is_named_before_anything_runs(base: Base, program: str, sentence: str) -> None:
    base.write("code/train.py", "")
    base.write("code/lib/a.py", "")
    base.configure({"sagemaker_program": program})
    code, _ = base.run()
    assert code == contract.EXIT_CLIENT_ERROR
    assert base.failure().startswith("ClientError: ")
    assert sentence in base.failure()


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_configuration_that_is_not_a_json_object_is_named(base: Base, text: str) -> None:
    base.write(contract.RESOURCE_CONFIG, text)
    assert base.run()[0] == contract.EXIT_CLIENT_ERROR
    assert "resourceconfig.json" in base.failure()


def test_a_shell_script_gets_quoted_arguments(base: Base) -> None:
    base.configure({"sagemaker_program": "train.sh", "text": "a  b; exit 9"})
    base.write("code/train.sh", '#!/bin/sh\necho "$1=$2"\nexit 4\n')
    code, output = base.run()
    assert code == 4
    assert "--text=a  b; exit 9\n" in output


def test_a_package_runs_as_a_module_with_its_sources_on_the_path(base: Base) -> None:
    base.configure({"sagemaker_program": "trainer/main.py"})
    base.write("code/setup.py", "")
    base.write("code/trainer/__init__.py", "")
    base.write("code/trainer/main.py", "from . import __name__ as package\nimport helper\nprint(package, helper.WORD)")
    base.write("code/src/helper.py", "WORD = 'helped'")
    code, output = base.run()
    assert code == 0, output
    assert output.endswith("trainer helped\n")


def test_a_module_is_named_by_its_flag(base: Base) -> None:
    base.configure({"sagemaker_program": "-m trainer", "epochs": 2})
    base.write("code/trainer.py", "import sys\nprint(sys.argv[1:])")
    assert base.run()[1].endswith("['--epochs', '2']\n")


def test_the_code_may_be_in_a_channel(base: Base) -> None:
    base.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": "/opt/ml/input/data/code"})
    base.write("input/data/code/train.py", "print('from a channel')")
    assert base.run()[1].endswith("from a channel\n")


def test_an_archive_in_a_channel_is_unpacked(base: Base) -> None:
    where = "/opt/ml/input/data/code/sourcedir.tar.gz"
    base.configure({"sagemaker_program": "train.py", "sagemaker_submit_directory": where})
    script = base.write("train.py", "print('from an archive')")
    (base.folder / "input/data/code").mkdir()
    with tarfile.open(base.folder / "input/data/code/sourcedir.tar.gz", "w:gz") as archive:
        archive.add(script, "train.py")
    assert base.run()[1].endswith("from an archive\n")


def test_sigterm_is_forwarded_once_and_the_script_may_finish(base: Base) -> None:
    base.write(
        "code/train.py",
        "import signal, sys, time\n"
        "def end(*_):\n    print('saving', flush=True)\n    time.sleep(0.2)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(60)\n",
    )
    process = base.start()
    assert process.stdout
    while process.stdout.readline() != "ready\n":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=30)[0]
    assert (process.returncode, output) == (0, "saving\n")


def test_output_is_returned_as_it_is_printed_and_in_order(base: Base) -> None:
    base.write("code/train.py", "import sys\nfor n in range(3):\n    print(n)\n    print(n, file=sys.stderr)\ninput()")
    output = base.run()[1]
    assert output.splitlines()[2:8] == ["0", "0", "1", "1", "2", "2"]


def test_a_grandchild_that_keeps_the_output_open_does_not_block_the_job(base: Base) -> None:
    base.write("code/train.py", "import subprocess\nprint(subprocess.Popen(['/bin/sleep', '60']).pid)")
    code, output = base.run()
    assert code == 0
    os.kill(int(output.splitlines()[-1]), signal.SIGKILL)  # it lives on, until the engine ends it


def test_a_large_output_is_forwarded_completely(base: Base) -> None:
    base.write("code/train.py", "print(('x' * 99 + '\\n') * 50000, end='')")
    assert base.run()[1].count("x") == 99 * 50000


def test_packages_installed_by_a_script_stay_in_its_overlay(base: Base) -> None:
    base.write(
        "code/train.py",
        "import numpy, sys, sysconfig, pathlib\n"
        "site = pathlib.Path(sysconfig.get_path('purelib'))\n"
        "(site / 'mine.py').write_text('WORD = 1')\n"
        "import mine\nprint(site.is_relative_to(sys.prefix), numpy.__file__.startswith(sys.prefix), sys.executable)",
    )
    code, output = base.run()
    assert code == 0, output
    inside, outside, executable = output.splitlines()[-1].split()
    assert (inside, outside) == ("True", "False")
    assert executable.startswith(str(base.folder))
    assert not Path(executable).exists()  # and gone with the job


@pytest.mark.parametrize("setting", ["sagemaker_mpi_enabled", "sagemaker_parameter_server_enabled"])
def test_an_unsupported_launcher_is_refused(base: Base, setting: str) -> None:
    base.write("code/train.py", "")
    base.configure({"sagemaker_program": "train.py", setting: True})
    assert base.run()[0] == contract.EXIT_CLIENT_ERROR
    assert setting in base.failure()


def test_torch_distributed_is_started_on_every_host_with_its_rank(base: Base) -> None:
    base.configure({"sagemaker_program": "train.py", "sagemaker_torch_distributed_enabled": True, "epochs": 1})
    base.write(contract.RESOURCE_CONFIG, json.dumps({"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}))
    base.write("code/train.py", "")
    launcher = "import sys; print(sys.argv[1:])"
    for path in ("__init__.py", "distributed/__init__.py"):
        base.write(f"stub/torch/{path}", "")
    base.write("stub/torch/distributed/run.py", launcher)
    code, output = base.run(PYTHONPATH=f"{Path.cwd()}:{base.folder / 'stub'}", CUDA_VISIBLE_DEVICES="0,1")
    assert code == 0, output
    words = ["--nnodes", "2", "--nproc_per_node", "2", "--master_addr", "algo-1", "--master_port", "7777"]
    assert output.splitlines()[-1] == str([*words, "--node_rank", "1", "train.py", "--epochs", "1"])


def test_a_users_command_runs_in_place_with_python_and_pip_on_its_path(base: Base) -> None:
    code, output = base.run("--command", "/bin/bash", "-c", "pwd; command -v python3 pip3 | wc -l; exit 5")
    assert code == 5
    assert output.splitlines()[-2:] == [str(base.folder), "2"]
    assert "ExitCode 5" in base.failure()


def test_notes_are_printed_first(base: Base) -> None:
    base.write("code/train.py", "")
    assert base.run("The image asks for scikit-learn 1.2; 1.7.2 is here.")[1].startswith("The image asks for")


def test_requirements_are_installed_for_one_run_if_requested(base: Base) -> None:
    base.write("code/greeting/backend.py", BACKEND)
    base.write("code/greeting/pyproject.toml", PROJECT + SYSTEM)
    base.write("code/requirements.txt", "./greeting")
    base.write("code/train.py", "import greeting, sys; print(greeting.WORD, greeting.__file__.startswith(sys.prefix))")
    assert base.run(PIP_NO_INDEX="1")[0] == 1
    (base.folder / contract.FAILURE).unlink()
    code, output = base.run("--install", "Said first.", PIP_NO_INDEX="1")
    assert code == 0, output
    assert output.splitlines()[0] == "Said first."
    assert output.splitlines()[-1] == "hello True"
    base.write("code/requirements.txt", "no-such-package")
    assert base.run("--install", PIP_NO_INDEX="1")[0] == contract.EXIT_CLIENT_ERROR
    assert "No matching distribution found for no-such-package" in base.failure()


def test_a_program_that_installs_packages_uses_the_servers_indexes(base: Base) -> None:
    configuration = base.write(contract.PIP_CONFIGURATION, "[global]\nno-index = true\n")
    code, output = base.run("--command", "python", "-m", "pip", "config", "list")
    assert code == 0, output
    assert "global.no-index='true'" in output
    assert base.run("--command", "printenv", "PIP_CONFIG_FILE")[1].endswith(f"{configuration}\n")


def test_keys_that_a_program_prints_before_it_fails_are_not_in_the_reason():
    token = "t0k3n" * 20
    assert remove_secrets(f"TOKEN={token}\nend", [token, ""]) == "TOKEN=***\nend"
    assert remove_secrets(f"{token[30:]}\nend", [token]) == "\nend"
    assert remove_secrets("nothing of it", [token]) == "nothing of it"


def test_a_long_traceback_keeps_the_frames_of_the_user():
    inner = '  File "/env/lib/python3.11/site-packages/pandas/core/frame.py", line 1, in f\n    inner()\n'
    own = '  File "train.py", line 10, in <module>\n    frame["absent"]\n'
    said = extract_error(f"Traceback (most recent call last):\n{own}{inner * 40}KeyError: 'absent'\n")
    assert 'File "train.py", line 10' in said
    assert "pandas" not in said
    assert said.endswith("KeyError: 'absent'")


def test_the_reason_of_a_failure_is_the_script_s_own_traceback_and_not_that_of_what_had_started_it(base: Base):
    driver = "import subprocess, sys; subprocess.check_call([sys.executable, 'inner.py'])\n"
    base.write("code/train.py", driver)
    base.write("code/inner.py", "raise KeyError('the column is absent')\n")
    assert base.run()[0] == 1
    assert "KeyError: 'the column is absent'" in base.failure()
    assert "CalledProcessError" not in base.failure()


def test_the_reason_that_a_driver_wrote_about_its_script_gives_way_to_the_script_s_traceback(base: Base):
    stripped = 'Traceback (most recent call last):\nFile "a.py", line 1, in <module>\nraise ValueError("wide")\n'
    wrapper = 'Traceback (most recent call last):\n  File "d.py", line 9, in run\nsubprocess.CalledProcessError: a.py'
    failing = f"printf '%s' \"$LOG\"; printf '%s' \"$FAILURE\" > {base.folder / contract.FAILURE}; exit 1"
    for failure in (wrapper, "Training Execution failed. For more details, see CloudWatch logs"):
        log = f"{stripped}ValueError: wide\nCommand failed. {wrapper}\n"
        assert base.run("--command", "sh", "-c", failing, LOG=log, FAILURE=failure)[0] == 1
        assert 'File "a.py", line 1' in base.failure()
        assert "ValueError: wide" in base.failure()
    base.run("--command", "sh", "-c", failing, LOG=stripped, FAILURE="ClientError: the user's own words")
    assert base.failure() == "ClientError: the user's own words"


def test_the_reason_of_a_failure_under_torchrun_is_the_traceback_of_one_rank():
    rank = ["Traceback (most recent call last):", '  File "f.py", line 4, in <module>', "    go()", "ValueError: nan"]
    log = [f"[rank{number}]: {line}" for line in rank for number in (1, 0)]
    log += ["E1130 failed (exitcode: 1) local_rank: 0", rank[0], '  File "run.py", line 9, in main', "    run(args)"]
    log += ["torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ", "=====", "f.py FAILED"]
    assert extract_error("\n".join(log)) == "\n".join(rank)


def test_the_reason_of_a_command_s_failure_is_the_end_of_stderr(base: Base):
    program = "echo 'no licence for this data' >&2; for i in 1 2 3 4 5 6 7; do echo progress $i; done; exit 4"
    code, output = base.run("--command", "sh", "-c", program)
    assert code == 4
    assert output.count("progress") >= 7
    assert 'ErrorMessage "no licence for this data"' in base.failure()
    (base.folder / contract.FAILURE).unlink()
    base.run("--command", "sh", "-c", "echo only this; exit 4")
    assert 'ErrorMessage "only this"' in base.failure()
