"""Which operations access data rather than manage resources, and which change nothing."""

_READS = ("Describe", "Get", "Head", "List", "Lookup", "Search", "Query", "BatchGet", "BatchDescribe", "Filter")
# They return credentials, which is recorded as durably as a change.
_CREDENTIALS = ("GetSessionToken", "GetFederationToken")
_DATA_SERVICES = ("sagemaker-runtime", "sagemaker-metrics")
_OF_OBJECTS = (
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "ListMultipartUploads",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
)
_OBJECT_STARTS = ("GetObject", "HeadObject", "PutObject", "DeleteObject", "SelectObject", "ListObject")
_ABOUT_BUCKETS = ("GetObjectLockConfiguration", "PutObjectLockConfiguration")
_OF_LOGS = ("FilterLogEvents", "GetLogEvents", "PutLogEvents")
_OF_METRICS = ("GetMetricData", "GetMetricStatistics", "PutMetricData")


def is_data(service: str, operation: str) -> bool:
    """Return whether an operation reads or writes data: objects, predictions, logs, metrics."""
    if service == "s3":
        is_of_object = operation in _OF_OBJECTS or operation.startswith(_OBJECT_STARTS)
        return is_of_object and operation not in _ABOUT_BUCKETS
    if service in ("logs", "cloudwatch"):
        return operation in (*_OF_LOGS, *_OF_METRICS)
    return service in _DATA_SERVICES


def is_read_only(operation: str) -> bool:
    """Return whether an operation changes nothing and returns no credentials."""
    return operation.startswith(_READS) and operation not in _CREDENTIALS
