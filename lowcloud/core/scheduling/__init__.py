"""Scheduling of jobs: the queue, the capacity of the machine, warm pools."""
