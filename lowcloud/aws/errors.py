"""Errors as AWS says them: a code, a sentence and an HTTP status."""

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """An answer that is an error. `fields` are further members of the error's shape, e.g. S3's BucketName."""

    def __init__(self, code: str, message: str, status: int = 400, fields: Mapping[str, Any] | None = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})
