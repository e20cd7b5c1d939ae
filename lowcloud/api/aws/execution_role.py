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


def written_policies(account_id: str, role: str) -> dict[str, str]:
    """Return, by name, what the SDKs need in addition: whole buckets, logs as they filter them, and the role itself."""
    logs = "arn:aws:logs:*:*:log-group:/aws/sagemaker/*"
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*sagemaker*"},
        {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": logs},
        {"Effect": "Allow", "Action": "iam:GetRole", "Resource": f"arn:aws:iam::{account_id}:role/{role}"},
    ]
    return {"Lowcloud": json.dumps({"Version": "2012-10-17", "Statement": statements})}
