"""Engines run work: work.py has the Engine protocol, local/ runs work on this machine."""
