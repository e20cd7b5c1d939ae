"""`python -m lowcloud.runtime.training.script [SENTENCE ...]`: runs a user's script as SageMaker does.

The script, its arguments and its SM_* variables come from the configuration files of the job; each SENTENCE is
printed first. `... script --command WORD ...` runs that command instead, which finds its own way, as the entry point
of a container of one's own. Either runs by the `python` of PATH, in a layer into which it may install what it likes.
`... script --install [SENTENCE ...]` installs the code's requirements.txt into that layer first, for environments of
users, which nothing is built upon.
"""

import os
import shlex
import shutil
import sys
import traceback
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime import child_process
from lowcloud.runtime.environments import overlay_venv
from lowcloud.runtime.environments.build import install
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.training.sm_variables import MASTER_PORT, ScriptJob, arguments, gpus, read_job, variables

COMMAND, INSTALL = "--command", "--install"
SHOWN_FILES = 20  # of an archive that lacks the entry point
MPI = (
    "sagemaker_mpi_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
)
TORCH = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")


def main(argv: list[str]) -> int:
    """Run the job's script, or the command behind --command; its exit code, with output/failure where it is not 0."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    try:
        if argv[:1] == [COMMAND]:
            return _run(base, argv[1:], _environment(base), Path.cwd())
        installs = argv[:1] == [INSTALL]
        for sentence in argv[installs:]:
            print(sentence, flush=True)
        return run_script(base, installs)
    except ClientError as error:
        return _fail(base, f"ClientError: {error}", contract.EXIT_CLIENT_ERROR)
    except Exception as error:  # noqa: BLE001 - the program's edge: any fault becomes the job's failure reason
        traceback.print_exc()
        return _fail(base, f"InternalServerError: The script was not run: {error}.", contract.EXIT_ALGORITHM_ERROR)


def run_script(base: Path, installs: bool = False) -> int:
    """Run the script that the job below `base` names; its exit code.

    `installs` says whether its requirements are installed first. Raises ClientError where that fails, or there is none.
    """
    job = read_job(base)
    entry_point = str(job.setting("sagemaker_program") or "")
    if not entry_point:
        raise ClientError("No entry point is named: the hyperparameter sagemaker_program is missing.")
    code = _code_folder(job)
    environment = {**_environment(base), **variables(job, entry_point)}
    environment["PYTHONPATH"] = ":".join(filter(None, (*_import_folders(code), environment.get("PYTHONPATH"))))
    command = _command(job, entry_point, code)
    if installs and (code / "requirements.txt").is_file():
        install(["python", "-m", "pip", "install", "-r", "requirements.txt"], environment, code)
    return _run(base, command, environment, code)


def _run(base: Path, command: list[str], environment: dict[str, str], folder: Path) -> int:
    print("Invoking script with the following command:", shlex.join(command), sep="\n", flush=True)
    try:
        ended = child_process.run(command, environment, folder)
    finally:
        shutil.rmtree(_layer_folder(), ignore_errors=True)  # a process left behind may still write there
    if ended.exit_code:
        child_process.report_failure(base, command, ended)
    return ended.exit_code


def _environment(base: Path) -> dict[str, str]:
    """This process's environment with a layer of its own in front of PATH, and the package indexes of the server."""
    # Containers run as root, and the SDK's remote functions look for sudo where somebody else asks.
    environment = {"PYTHONUNBUFFERED": "1", **os.environ, "USER": "root", "LOGNAME": "root"}
    if (base / contract.PIP_CONFIGURATION).exists():
        environment.setdefault("PIP_CONFIG_FILE", str(base / contract.PIP_CONFIGURATION))
    path = environment.get("PATH", os.defpath)
    python = _python(path)
    folder = _layer_folder()
    if python and overlay_venv.lay(folder, python):
        environment |= {"PATH": f"{folder / 'bin'}:{path}", "VIRTUAL_ENV": str(folder)}
    return environment


def _layer_folder() -> Path:
    return Path(os.environ.get("TMPDIR", "/tmp")) / f"python-{os.getpid()}"


def _python(path: str) -> str | None:
    """The interpreter that PATH means. Ours may go by another name alone, such as python3.12."""
    first = path.partition(":")[0]
    return sys.executable if Path(first) == Path(sys.executable).parent else shutil.which("python", path=path)


def _command(job: ScriptJob, entry_point: str, code: Path) -> list[str]:
    words = arguments(job.hyperparameters)
    if refused := next((name for name in MPI if job.setting(name) is True), None):
        raise ClientError(
            f"{refused} asks for a launcher that is not here. Here are torch_distributed (torchrun) and plain hosts."
        )
    if any(job.setting(name) is True for name in TORCH):
        return [*_torchrun(job), _entry_file(entry_point, code), *words]
    if entry_point.startswith("-m "):
        return ["python", "-m", entry_point[3:].strip(), *words]
    if entry_point.endswith(".sh") or not entry_point.endswith(".py"):
        return ["/bin/sh", "-c", shlex.join([f"./{_executable(entry_point, code)}", *words])]
    _entry_file(entry_point, code)
    if (code / "setup.py").is_file():
        return ["python", "-m", entry_point.removesuffix(".py").replace("/", "."), *words]
    return ["python", entry_point, *words]


def _torchrun(job: ScriptJob) -> list[str]:
    """What starts one process for each GPU of each host, or one for each host. It is torchrun by its module's name."""
    processes = job.setting("sagemaker_mpi_num_of_processes_per_host") or gpus() or 1
    words = [
        "python",
        "-m",
        "torch.distributed.run",
        "--nnodes",
        str(len(job.hosts)),
        "--nproc_per_node",
        str(processes),
    ]
    if len(job.hosts) > 1:
        rank = job.hosts.index(job.host)
        words += ["--master_addr", job.hosts[0], "--master_port", str(MASTER_PORT), "--node_rank", str(rank)]
    return words


def _code_folder(job: ScriptJob) -> Path:
    """Where the script lies: a folder or an archive of a channel, else what was laid at `code`."""
    submitted = str(job.setting("sagemaker_submit_directory") or "").removeprefix("file://")
    if not submitted or "://" in submitted:
        return job.base / contract.CODE
    inside = Path(submitted)
    if inside.is_relative_to(contract.DEFAULT_BASE_DIR):  # which is elsewhere where nothing can be mounted
        inside = job.base / inside.relative_to(contract.DEFAULT_BASE_DIR)
    if inside.is_file():
        return _unpacked(inside, job.base / contract.CODE)
    if not inside.is_dir():
        raise ClientError(f"sagemaker_submit_directory is {submitted!r}, and there is no such folder or archive.")
    return inside


def _unpacked(archive: Path, folder: Path) -> Path:
    import tarfile  # costs more than all else here, and is seldom needed

    try:
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ClientError(f"{archive} is not a readable tar archive: {error}.") from error
    return folder


def _import_folders(code: Path) -> list[str]:
    """A package is put on the path rather than installed: its own folder, and src where it keeps its modules there."""
    source = code / "src"
    is_package = (code / "setup.py").is_file() or (code / "pyproject.toml").is_file()
    return [str(code), *([str(source)] if is_package and source.is_dir() else [])]


def _entry_file(entry_point: str, code: Path) -> str:
    """The entry point, which is a file. Raises ClientError where it is not."""
    path = code / entry_point
    if path.is_dir():
        raise ClientError(f"The entry point {entry_point!r} is a folder of the source archive; name a file in it.")
    if not path.is_file():
        raise ClientError(f"The entry point {entry_point!r} is not in the source archive; it holds: {_holds(code)}.")
    return entry_point


def _executable(entry_point: str, code: Path) -> str:
    path = code / _entry_file(entry_point, code)
    if not os.access(path, os.X_OK):
        try:
            path.chmod(0o755)
        except OSError as error:
            raise ClientError(
                f"The entry point {entry_point!r} cannot be run: {error.strerror}. Set its x bit."
            ) from error
    return entry_point


def _holds(code: Path) -> str:
    names = []
    for folder, folders, files in os.walk(code):
        folders.sort()
        names += [str((Path(folder) / name).relative_to(code)) for name in sorted(files)]
        if len(names) > SHOWN_FILES:
            return ", ".join(names[:SHOWN_FILES]) + ", ..."
    return ", ".join(names) or "nothing"


def _fail(base: Path, sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr, flush=True)
    child_process.write_failure(base, sentence)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
