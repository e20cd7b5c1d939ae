"""CloudTrail: the audit log as AWS's clients look it up."""
