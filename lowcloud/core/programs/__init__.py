"""Which program an image name stands for."""
