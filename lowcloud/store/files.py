"""Blobs on disk, encrypted."""


class Files:
    """Placeholder of the object-store work in progress."""
