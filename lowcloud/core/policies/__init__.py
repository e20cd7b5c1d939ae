"""Access policies in AWS's policy language: their parsing and their evaluation, without any I/O."""
