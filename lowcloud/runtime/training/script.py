"""`python -m lowcloud.runtime.training.script [NOTE ...]`: runs a user's script as SageMaker's training toolkit does.

The script, its arguments and its SM_* variables come from the configuration files of the job. Each NOTE is printed
first. `... script --command WORD ...` runs that command instead, as the entrypoint of a user's own container. Both run
with the `python` of PATH, in an overlay environment into which they may install packages. `... script --install
[NOTE ...]` first installs the code's requirements.txt into the overlay, for environments that users have created.
"""

import os
import shlex
import shutil
import sys
import traceback
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime import child_process
from lowcloud.runtime.environments import framework_modules, overlay_venv
from lowcloud.runtime.environments.build import install
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.training.sm_variables import (
    MASTER_PORT,
    ScriptJob,
    build_variables,
    count_gpus,
    format_arguments,
    read_job,
)

COMMAND, INSTALL = "--command", "--install"
LISTED_FILES = 20  # of an archive that lacks the entry point
UNSUPPORTED_LAUNCHERS = (
    "sagemaker_mpi_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_multi_worker_mirrored_strategy_enabled",
    "sagemaker_pytorch_xla_multi_worker_enabled",
)
TORCHRUN_SETTINGS = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")


def main(argv: list[str]) -> int:
    """Run the job's script, or the command after --command; return the exit code. Failures go to output/failure."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    try:
        if argv[:1] == [COMMAND]:
            return _run(base, argv[1:], _environment(base), Path.cwd(), keeps_errors_apart=True)
        installs_requirements = argv[:1] == [INSTALL]
        for note in argv[installs_requirements:]:
            print(note, flush=True)
        return run_script(base, installs_requirements)
    except ClientError as error:
        return _fail(base, f"ClientError: {error}", contract.EXIT_CLIENT_ERROR)
    except Exception as error:  # noqa: BLE001 - the program's edge: any error becomes the job's failure reason
        traceback.print_exc()
        return _fail(base, f"InternalServerError: The script could not be run: {error}.", contract.EXIT_ALGORITHM_ERROR)


def run_script(base: Path, installs_requirements: bool = False) -> int:
    """Run the script of the job in `base`, after installing its requirements if so requested; return its exit code.

    Raises ClientError if there is no script or its requirements cannot be installed.
    """
    job = read_job(base)
    entry_point = str(job.setting("sagemaker_program") or "")
    if not entry_point:
        raise ClientError("The job has no entry point: the hyperparameter sagemaker_program is missing.")
    code = _code_folder(job)
    environment = {**_environment(base), **build_variables(job, entry_point)}
    environment["PYTHONPATH"] = ":".join(filter(None, (*_import_folders(code), environment.get("PYTHONPATH"))))
    command = _command(job, entry_point, code)
    if installs_requirements and (code / "requirements.txt").is_file():
        install(["python", "-m", "pip", "install", "-r", "requirements.txt"], environment, code)
    return _run(base, command, environment, code)


def _run(
    base: Path, command: list[str], environment: dict[str, str], folder: Path, keeps_errors_apart: bool = False
) -> int:
    print("Invoking script with the following command:", shlex.join(command), sep="\n", flush=True)
    try:
        result = child_process.run(command, environment, folder, keeps_errors_apart)
    finally:
        shutil.rmtree(_overlay_folder(), ignore_errors=True)  # a remaining process may still write there
    if result.exit_code:
        child_process.report_failure(base, command, result)
    return result.exit_code


def _environment(base: Path) -> dict[str, str]:
    """Return this process's environment, with a new overlay first in PATH and the server's package indexes.

    In the overlay a script also finds the modules of SageMaker's framework containers.
    """
    # Containers run as root; for other users the SDK's remote functions look for sudo.
    environment = {"PYTHONUNBUFFERED": "1", **os.environ, "USER": "root", "LOGNAME": "root"}
    if (base / contract.PIP_CONFIGURATION).exists():
        environment.setdefault("PIP_CONFIG_FILE", str(base / contract.PIP_CONFIGURATION))
    path = environment.get("PATH", os.defpath)
    python = _python(path)
    folder = _overlay_folder()
    if python and overlay_venv.create(folder, python):
        framework_modules.add_to_environment(folder)
        environment |= {"PATH": f"{folder / 'bin'}:{path}", "VIRTUAL_ENV": str(folder)}
    return environment


def _overlay_folder() -> Path:
    return Path(os.environ.get("TMPDIR", "/tmp")) / f"python-{os.getpid()}"


def _python(path: str) -> str | None:
    """Return the `python` of PATH, or ours, which may only have another name such as python3.12."""
    first = path.partition(":")[0]
    return sys.executable if Path(first) == Path(sys.executable).parent else shutil.which("python", path=path)


def _command(job: ScriptJob, entry_point: str, code: Path) -> list[str]:
    script_arguments = format_arguments(job.hyperparameters)
    if refused := next((name for name in UNSUPPORTED_LAUNCHERS if job.setting(name) is True), None):
        raise ClientError(
            f"{refused} requests a launcher that is not supported. Use torch_distributed (torchrun), or no launcher."
        )
    if any(job.setting(name) is True for name in TORCHRUN_SETTINGS):
        return [*_torchrun(job), _entry_file(entry_point, code), *script_arguments]
    if entry_point.startswith("-m "):
        return ["python", "-m", entry_point[3:].strip(), *script_arguments]
    if entry_point.endswith(".sh") or not entry_point.endswith(".py"):
        return ["/bin/sh", "-c", shlex.join([f"./{_executable(entry_point, code)}", *script_arguments])]
    _entry_file(entry_point, code)
    if (code / "setup.py").is_file():
        return ["python", "-m", entry_point.removesuffix(".py").replace("/", "."), *script_arguments]
    return ["python", entry_point, *script_arguments]


def _torchrun(job: ScriptJob) -> list[str]:
    """Return the torchrun command, which starts one process per GPU of each host, or one per host without GPUs."""
    processes = job.setting("sagemaker_mpi_num_of_processes_per_host") or count_gpus() or 1
    command = [
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
        command += ["--master_addr", job.hosts[0], "--master_port", str(MASTER_PORT), "--node_rank", str(rank)]
    return command


def _code_folder(job: ScriptJob) -> Path:
    """Return the folder of the script: a folder or unpacked archive of a channel, or the staged `code` folder."""
    submitted = str(job.setting("sagemaker_submit_directory") or "").removeprefix("file://")
    if not submitted or "://" in submitted:
        return job.base / contract.CODE
    path = Path(submitted)
    if path.is_relative_to(contract.DEFAULT_BASE_DIR):  # the base folder is elsewhere if it cannot be mounted
        path = job.base / path.relative_to(contract.DEFAULT_BASE_DIR)
    if path.is_file():
        return _unpack(path, job.base / contract.CODE)
    if not path.is_dir():
        raise ClientError(f"sagemaker_submit_directory is {submitted!r}, which is not an existing folder or archive.")
    return path


def _unpack(archive: Path, folder: Path) -> Path:
    import tarfile  # slow to import and rarely needed

    try:
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ClientError(f"{archive} is not a readable tar archive: {error}.") from error
    return folder


def _import_folders(code: Path) -> list[str]:
    """Return the folders for PYTHONPATH. A package is not installed: its folder, and its src folder, are added."""
    source = code / "src"
    is_package = (code / "setup.py").is_file() or (code / "pyproject.toml").is_file()
    return [str(code), *([str(source)] if is_package and source.is_dir() else [])]


def _entry_file(entry_point: str, code: Path) -> str:
    """Return the entry point. Raises ClientError if it is not a file."""
    path = code / entry_point
    if path.is_dir():
        raise ClientError(f"The entry point {entry_point!r} is a folder of the source archive. Specify a file in it.")
    if not path.is_file():
        raise ClientError(
            f"The entry point {entry_point!r} is not in the source archive, which contains: {_list(code)}."
        )
    return entry_point


def _executable(entry_point: str, code: Path) -> str:
    path = code / _entry_file(entry_point, code)
    if not os.access(path, os.X_OK):
        try:
            path.chmod(0o755)
        except OSError as error:
            raise ClientError(
                f"The entry point {entry_point!r} is not executable: {error.strerror}. Set its x permission."
            ) from error
    return entry_point


def _list(code: Path) -> str:
    names = []
    for folder, folders, files in os.walk(code):
        folders.sort()
        names += [str((Path(folder) / name).relative_to(code)) for name in sorted(files)]
        if len(names) > LISTED_FILES:
            return ", ".join(names[:LISTED_FILES]) + ", ..."
    return ", ".join(names) or "nothing"


def _fail(base: Path, reason: str, code: int) -> int:
    print(reason, file=sys.stderr, flush=True)
    child_process.write_failure(base, reason)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
