"""Public names of `entry_point`."""

from lowcloud_toolkit.entry_point import *
from lowcloud_toolkit.entry_point import _wait_hostname_resolution as _wait_hostname_resolution
