"""Request signatures: Signature Version 4 and 2, presigned requests and signed chunks."""
