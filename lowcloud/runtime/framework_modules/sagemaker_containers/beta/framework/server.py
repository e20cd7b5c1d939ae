"""Public names of `server`."""

from lowcloud_toolkit.server import *
