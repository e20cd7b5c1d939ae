"""Objects and their versions."""
