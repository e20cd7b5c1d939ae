"""The execution role that every account has from the start: who may assume it, and what it may do."""

import json

POLICIES = ("arn:aws:iam::aws:policy/AmazonSageMakerFullAccess",)
SERVICES = ("sagemaker", "lambda", "states", "events")


def trust_policy(account_id: str) -> str:
    """Return a document that lets every caller of the account, and the services that run programs, assume the role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": account_id, "Service": [f"{service}.amazonaws.com" for service in SERVICES]},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
