"""Engines run work: work.py says what work is, local/ runs it on this machine."""
