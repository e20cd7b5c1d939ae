"""Sample homes of released versions."""
