"""Public names of `utils`."""

from lowcloud_toolkit.serving import *
