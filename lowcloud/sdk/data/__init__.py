"""Data of users: tables and files become input channels of jobs, rows become requests for predictions."""
