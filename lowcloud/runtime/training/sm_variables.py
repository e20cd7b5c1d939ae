"""What a script learns of its job, in the forms of SageMaker's training toolkit: SM_* variables and arguments.

The forms are those that https://github.com/aws/sagemaker-training-toolkit documents, so that scripts written for
SageMaker's framework containers find what they expect.
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

PREFIX = "sagemaker_"  # of hyperparameters that speak to the platform, not to the script
TUNING_METRIC = "_tuning_objective_metric"
UNDERSTOOD = frozenset(  # the platform's own; further ones with the prefix are "framework parameters"
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
INFO = 20  # the log level, as Python counts
MASTER_PORT = 7777
GROUP = "homogeneousCluster"


@dataclass(frozen=True)
class ScriptJob:
    """One host's view of its training job."""

    base: Path
    settings: Mapping[str, Any]  # hyperparameters that speak to the platform
    hyperparameters: Mapping[str, Any]  # those that speak to the script
    resources: Mapping[str, Any]
    inputs: Mapping[str, Any]

    @property
    def host(self) -> str:
        return str(self.resources.get("current_host", "algo-1"))

    @property
    def hosts(self) -> list[str]:
        return list(self.resources.get("hosts", [self.host]))

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting by its hyperparameter, else by its environment variable."""
        return self.settings.get(name, os.environ.get(name.upper(), default))


def read_job(base: Path) -> ScriptJob:
    """The job that the configuration files below `base` describe. Raises ClientError where they cannot be read."""
    given = {name: _decode(value) for name, value in _read_json(base / contract.HYPERPARAMETERS).items()}
    settings = {name: value for name, value in given.items() if name in UNDERSTOOD or name.startswith(PREFIX)}
    return ScriptJob(
        base=base,
        settings=settings,
        hyperparameters={name: value for name, value in given.items() if name not in settings},
        resources=_read_json(base / contract.RESOURCE_CONFIG),
        inputs=_read_json(base / contract.INPUT_DATA_CONFIG),
    )


def arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """["--name", "value", ...] by name; a name of one letter gets one dash, a mapping becomes "a=1,b=2"."""
    words: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        words += [f"--{name}" if len(name) > 1 else f"-{name}" if name else "", _argument(value)]
    for word in words:
        if "\0" in word:
            raise ClientError(f"The hyperparameter {word!r} holds a NUL character, which no program can be given.")
    return words


def variables(job: ScriptJob, entry_point: str) -> dict[str, str]:
    """The SM_* variables and their older companions, ready for an environment."""
    facts = _facts(job, entry_point)
    shown = {
        **facts,
        "hps": job.hyperparameters,
        "channels": sorted(job.inputs),
        "framework_params": facts["additional_framework_parameters"],
        "user_args": arguments(job.hyperparameters),
        "training_env": {**facts, "job_name": _job_name()},
        "master_addr": job.hosts[0],
        "master_port": MASTER_PORT,
        **{f"channel_{name}": path for name, path in facts["channel_input_dirs"].items()},
        **{f"hp_{name}": value for name, value in job.hyperparameters.items()},
    }
    for name in NOT_SHOWN:
        del shown[name]
    named = {f"SM_{name.upper()}": _text(value) for name, value in shown.items() if not re.search("[=\0]", name)}
    return {**named, **_companions(job)}


NOT_SHOWN = (  # facts that SM_TRAINING_ENV has and no variable of their own
    "additional_framework_parameters",
    "channel_input_dirs",
    "hyperparameters",
    "distribution_hosts",
    "is_master",
    "master_hostname",
    "is_modelparallel_enabled",
)


def _facts(job: ScriptJob, entry_point: str) -> dict[str, Any]:
    base = str(job.base)
    group = job.resources.get("current_group_name", GROUP)
    groups = {one["instance_group_name"]: one for one in job.resources.get("instance_groups", [])}
    framework = {name: value for name, value in job.settings.items() if name not in UNDERSTOOD}
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
        "log_level": job.setting("sagemaker_container_log_level", INFO),
        "master_hostname": job.hosts[0],
        "model_dir": f"{base}/{contract.MODEL}",
        "module_dir": str(job.setting("sagemaker_submit_directory", f"{base}/{contract.CODE}")),
        "module_name": entry_point.removesuffix(".py"),
        "network_interface_name": job.resources.get("network_interface_name", "eth0"),
        "num_cpus": cpus(),
        "num_gpus": gpus(),
        "num_neurons": 0,
        "output_data_dir": f"{base}/{contract.OUTPUT_DATA}",
        "output_dir": f"{base}/output",
        "output_intermediate_dir": f"{base}/output/intermediate",
        "resource_config": job.resources,
        "user_entry_point": entry_point,
    }


def _companions(job: ScriptJob) -> dict[str, str]:
    """Variables that the toolkit and SageMaker's PyTorch containers set beside SM_*."""
    return {
        "CURRENT_HOST": job.host,
        "SAGEMAKER_JOB_NAME": _text(job.setting("sagemaker_job_name") or _job_name()),
        "SAGEMAKER_REGION": _text(job.setting("sagemaker_region", os.environ.get("AWS_REGION", ""))),
        # A single host need not be known by its name, least of all where no namespace gives it one.
        "MASTER_ADDR": job.hosts[0] if len(job.hosts) > 1 else "127.0.0.1",
        "MASTER_PORT": str(MASTER_PORT),
    }


def _job_name() -> str:
    """What the platform calls the job; SDKs say it again in a hyperparameter, other clients do not."""
    return os.environ.get("TRAINING_JOB_NAME", "")


def cpus() -> int:
    """The processors of this host: its share of the machine, or else what this process may use."""
    if (share := os.environ.get(contract.CPUS_VARIABLE, "")).isdigit():
        return int(share)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> int:
    """The NVIDIA devices this process may use, counted without starting a program to ask."""
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
        raise ClientError(f"{path} holds a {type(content).__name__} where an object is expected.")
    return content


def _decode(value: Any) -> Any:
    """A hyperparameter's value: SDKs quote them as JSON; what is not JSON is itself."""
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
