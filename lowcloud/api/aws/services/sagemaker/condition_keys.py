"""The condition keys of SageMaker, from the members of a request that they are named after.

Source: Service Authorization Reference, "Condition keys for Amazon SageMaker".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.access.permissions import register_facts, request_tag_facts
from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.core.policies.conditions import normalise
from lowcloud.core.policies.requests import Facts, Values

KEYS: Mapping[str, str] = {  # by the member, or the last two of its path
    "AcceleratorType": "sagemaker:acceleratortypes",
    "DirectoryPath": "sagemaker:filesystemdirectorypath",
    "EnableInterContainerTrafficEncryption": "sagemaker:intercontainertrafficencryption",
    "EnableNetworkIsolation": "sagemaker:networkisolation",
    "EnableRemoteDebug": "sagemaker:enableremotedebug",
    "FileSystemAccessMode": "sagemaker:filesystemaccessmode",
    "FileSystemId": "sagemaker:filesystemid",
    "FileSystemType": "sagemaker:filesystemtype",
    "InstanceType": "sagemaker:instancetypes",
    "KeepAlivePeriodInSeconds": "sagemaker:keepaliveperiod",
    "MaxRuntimeInSeconds": "sagemaker:maxruntimeinseconds",
    "ModelApprovalStatus": "sagemaker:modelapprovalstatus",
    "OutputDataConfig.KmsKeyId": "sagemaker:outputkmskey",
    "ProcessingOutputConfig.KmsKeyId": "sagemaker:outputkmskey",
    "SecurityGroupIds": "sagemaker:vpcsecuritygroupids",
    "ServerlessConfig.MaxConcurrency": "sagemaker:serverlessmaxconcurrency",
    "ServerlessConfig.MemorySizeInMB": "sagemaker:serverlessmemorysize",
    "Subnets": "sagemaker:vpcsubnets",
    "TargetModel": "sagemaker:targetmodel",
    "VolumeKmsKeyId": "sagemaker:volumekmskey",
}
# Members whose keys are the caller's own words: one named InstanceType says nothing.
MAPS = frozenset(
    (
        "CollectionParameters",
        "CustomerMetadataProperties",
        "Environment",
        "HookParameters",
        "HyperParameters",
        "InputArtifacts",
        "OutputArtifacts",
        "Parameters",
        "ProfilingParameters",
        "Properties",
        "RuleParameters",
    )
)


def facts_of(call: Call) -> Facts:
    """Return the values of the condition keys that a request has; those of several instances, channels ... together."""
    found: dict[str, Values] = {}
    for key, value in _values(call.request):
        found[key] = tuple(dict.fromkeys((*found.get(key, ()), value)))
    tags = {tag["Key"]: tag["Value"] for tag in call.request.get("Tags", ())}
    found |= request_tag_facts(tags)
    models = [variant["ModelName"] for variant in call.request.get("ProductionVariants", ()) if "ModelName" in variant]
    if models:
        found["sagemaker:modelarn"] = tuple(of_sagemaker(call.context, f"model/{name}") for name in models)
    if call.operation.startswith("Create"):
        found["sagemaker:taggingaction"] = (call.operation,)
    if "TagKeys" in call.request:  # of DeleteTags
        found["aws:tagkeys"] = tuple(call.request["TagKeys"])
    return found


def _values(value: Any, parent: str = "", member: str = "") -> Iterator[tuple[str, str]]:
    """Yield the condition keys and values below one member of a request."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in MAPS:
                yield from _values(each, member, name)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for each in value:
            yield from _values(each, parent, member)
    elif (key := KEYS.get(f"{parent}.{member}") or KEYS.get(member)) and isinstance(value, str | bool | int | float):
        yield key, normalise(value)


register_facts("sagemaker", facts_of)
