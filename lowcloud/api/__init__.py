"""The interfaces that other programs speak: one package for each dialect."""
