"""Judging a map, ours or a human one: validity, counts, parity, timing. Knows nothing of the
model."""
