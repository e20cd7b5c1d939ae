"""HuggingFace's inference toolkit."""
