"""Blobs: encrypted files on disk, and the room on it that is reserved."""
