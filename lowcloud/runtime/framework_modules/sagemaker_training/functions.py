"""Public names of `functions`."""

from lowcloud_toolkit.functions import *
