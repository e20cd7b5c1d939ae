"""LocalEngine: runs work as processes of this machine."""
