"""The training toolkit's command."""
