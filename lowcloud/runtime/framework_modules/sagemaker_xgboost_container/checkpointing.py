"""Public names of `checkpointing`."""

from lowcloud_toolkit.checkpoints import *
