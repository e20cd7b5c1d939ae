"""PyTorch's inference container."""
