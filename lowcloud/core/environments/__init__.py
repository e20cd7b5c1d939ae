"""Python environments of jobs and endpoints."""
