"""Programs of jobs and of users, and what they need to run in a test."""
