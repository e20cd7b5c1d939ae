"""The streaming of inputs to a running program: named pipes and lazily loaded folders."""
