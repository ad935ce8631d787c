"""Symbols: the neutral beatmap, map files, the vocabulary, tokens, the grammar. Imports no
torch."""
