"""Public names of `files`."""

from lowcloud_toolkit.functions import *
