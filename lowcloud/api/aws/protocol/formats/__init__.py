"""The wire formats: each module turns bytes into the members of a botocore shape and back."""
