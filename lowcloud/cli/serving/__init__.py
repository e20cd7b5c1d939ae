"""Commands about endpoints and models."""
