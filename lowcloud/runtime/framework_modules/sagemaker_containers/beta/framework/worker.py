"""Public names of `worker`."""

from lowcloud_toolkit.serving import *
