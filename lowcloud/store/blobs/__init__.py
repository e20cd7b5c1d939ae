"""Blobs: encrypted files on disk, and the disk space that is reserved."""
