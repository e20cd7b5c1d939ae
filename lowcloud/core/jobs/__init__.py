"""Training and processing jobs: programs that run once, from a request to their stored outputs."""
