"""Public names of `logging`."""

from lowcloud_toolkit.functions import *
