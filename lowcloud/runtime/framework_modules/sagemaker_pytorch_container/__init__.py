"""PyTorch's training container."""
