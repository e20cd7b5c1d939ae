"""The SM_* variables and arguments of a script, in the formats of SageMaker's training toolkit.

https://github.com/aws/sagemaker-training-toolkit documents them, so that scripts written for SageMaker's framework
containers find what they expect.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.runtime.errors import ClientError

PREFIX = "sagemaker_"  # of hyperparameters for the platform rather than the script
TUNING_METRIC = "_tuning_objective_metric"
PLATFORM_SETTINGS = frozenset(  # others with the prefix are "framework parameters"
    (
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "default_user_module_name",
        TUNING_METRIC,
        "sagemaker_s3_output",
    )
)
LOG_LEVEL_INFO = 20  # Python's logging.INFO
MASTER_PORT = 7777
DEFAULT_INSTANCE_GROUP = "homogeneousCluster"


@dataclass(frozen=True)
class ScriptJob:
    """The configuration of a training job on one host."""

    base: Path
    settings: Mapping[str, Any]  # hyperparameters for the platform
    hyperparameters: Mapping[str, Any]  # hyperparameters for the script
    resources: Mapping[str, Any]
    inputs: Mapping[str, Any]

    @property
    def host(self) -> str:
        return str(self.resources.get("current_host", "algo-1"))

    @property
    def hosts(self) -> list[str]:
        return list(self.resources.get("hosts", [self.host]))

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting from its hyperparameter or else from its environment variable."""
        return self.settings.get(name, os.environ.get(name.upper(), default))


def read_job(base: Path) -> ScriptJob:
    """Read the job from the configuration files in `base`. Raises ClientError if they are invalid."""
    decoded = {name: _decode(value) for name, value in _read_json(base / contract.HYPERPARAMETERS).items()}
    settings = {name: value for name, value in decoded.items() if name in PLATFORM_SETTINGS or name.startswith(PREFIX)}
    return ScriptJob(
        base=base,
        settings=settings,
        hyperparameters={name: value for name, value in decoded.items() if name not in settings},
        resources=_read_json(base / contract.RESOURCE_CONFIG),
        inputs=_read_json(base / contract.INPUT_DATA_CONFIG),
    )


def format_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return ["--name", "value", ...] sorted by name; a one-letter name gets one dash, a mapping becomes "a=1,b=2"."""
    arguments: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}" if name else "", _argument(value)]
    for argument in arguments:
        if "\0" in argument:
            raise ClientError(f"The hyperparameter {argument!r} contains a NUL character. Remove it.")
    return arguments


def build_variables(job: ScriptJob, entry_point: str) -> dict[str, str]:
    """Return the SM_* variables and the older ones that go with them."""
    settings = _toolkit_settings(job, entry_point)
    values = {
        **settings,
        "hps": job.hyperparameters,
        "channels": sorted(job.inputs),
        "framework_params": settings["additional_framework_parameters"],
        "user_args": format_arguments(job.hyperparameters),
        "training_env": {**settings, "job_name": _job_name()},
        "master_addr": job.hosts[0],
        "master_port": MASTER_PORT,
        **{f"channel_{name}": path for name, path in settings["channel_input_dirs"].items()},
        **{f"hp_{name}": value for name, value in job.hyperparameters.items()},
    }
    for name in WITHOUT_VARIABLE:
        del values[name]
    sm_variables = {
        f"SM_{name.upper()}": _text(value) for name, value in values.items() if not re.search("[=\0]", name)
    }
    return {**sm_variables, **_other_variables(job)}


WITHOUT_VARIABLE = (  # settings that are in SM_TRAINING_ENV and have no variable of their own
    "additional_framework_parameters",
    "channel_input_dirs",
    "hyperparameters",
    "distribution_hosts",
    "is_master",
    "master_hostname",
    "is_modelparallel_enabled",
)


def _toolkit_settings(job: ScriptJob, entry_point: str) -> dict[str, Any]:
    base = str(job.base)
    group = job.resources.get("current_group_name", DEFAULT_INSTANCE_GROUP)
    groups = {one["instance_group_name"]: one for one in job.resources.get("instance_groups", [])}
    framework = {name: value for name, value in job.settings.items() if name not in PLATFORM_SETTINGS}
    return {
        "additional_framework_parameters": framework,
        "channel_input_dirs": {name: f"{base}/{contract.DATA}/{name}" for name in job.inputs},
        "current_host": job.host,
        "current_instance_group": group,
        "current_instance_group_hosts": groups.get(group, {}).get("hosts", []),
        "current_instance_type": job.resources.get("current_instance_type", "local"),
        "distribution_hosts": job.hosts,
        "distribution_instance_groups": framework.get("sagemaker_distribution_instance_groups", []),
        "framework_module": os.environ.get("SAGEMAKER_TRAINING_MODULE"),
        "hosts": job.hosts,
        "hyperparameters": job.hyperparameters,
        "input_config_dir": f"{base}/input/config",
        "input_data_config": job.inputs,
        "input_dir": f"{base}/input",
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": job.host == job.hosts[0],
        "is_modelparallel_enabled": None,
        "log_level": job.setting("sagemaker_container_log_level", LOG_LEVEL_INFO),
        "master_hostname": job.hosts[0],
        "model_dir": f"{base}/{contract.MODEL}",
        "module_dir": str(job.setting("sagemaker_submit_directory", f"{base}/{contract.CODE}")),
        "module_name": entry_point.removesuffix(".py"),
        "network_interface_name": job.resources.get("network_interface_name", "eth0"),
        "num_cpus": count_cpus(),
        "num_gpus": count_gpus(),
        "num_neurons": 0,
        "output_data_dir": f"{base}/{contract.OUTPUT_DATA}",
        "output_dir": f"{base}/output",
        "output_intermediate_dir": f"{base}/output/intermediate",
        "resource_config": job.resources,
        "user_entry_point": entry_point,
    }


def _other_variables(job: ScriptJob) -> dict[str, str]:
    """Return the variables that the toolkit and SageMaker's PyTorch containers set in addition to SM_*."""
    return {
        "CURRENT_HOST": job.host,
        "SAGEMAKER_JOB_NAME": _text(job.setting("sagemaker_job_name") or _job_name()),
        "SAGEMAKER_REGION": _text(job.setting("sagemaker_region", os.environ.get("AWS_REGION", ""))),
        # The name of a single host may not resolve, e.g. where there are no mount namespaces.
        "MASTER_ADDR": job.hosts[0] if len(job.hosts) > 1 else "127.0.0.1",
        "MASTER_PORT": str(MASTER_PORT),
    }


def _job_name() -> str:
    """Return the job's name; SDKs also pass it in a hyperparameter, other clients do not."""
    return os.environ.get("TRAINING_JOB_NAME", "")


def count_cpus() -> int:
    """Return the number of processors allocated to this host, or else usable by this process."""
    if (allocated := os.environ.get(contract.CPUS_VARIABLE, "")).isdigit():
        return int(allocated)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_gpus() -> int:
    """Return the number of NVIDIA devices this process may use, without starting a program."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip() not in ("", "-1", "NoDevFiles")])
    return len([name for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)])  # noqa: PTH208


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ClientError(f"{path} is not readable JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ClientError(f"{path} contains a {type(content).__name__}; an object is expected.")
    return content


def _decode(value: Any) -> Any:
    """Decode a hyperparameter: SDKs encode values as JSON; other values are kept as they are."""
    try:
        return json.loads(value)
    except (ValueError, TypeError):
        return value


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={inner}" for name, inner in sorted(value.items()))
    return "" if value is None else str(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
