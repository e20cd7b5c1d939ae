"""The audit log's record of each request, made where its outcome is known."""
