"""From a song to a level: tempo, decoding, sampling, packing. Knows nothing of training."""
