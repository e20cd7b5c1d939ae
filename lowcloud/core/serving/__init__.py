"""Models, endpoints and their replicas."""
