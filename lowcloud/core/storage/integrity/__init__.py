"""Detection of damaged rows and blobs."""
