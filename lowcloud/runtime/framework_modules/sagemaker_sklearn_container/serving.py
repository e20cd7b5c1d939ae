"""Public names of `serving`."""

from lowcloud_toolkit.handlers.sklearn import *
