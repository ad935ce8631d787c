"""Sound and tensors: audio decoding, front ends, Conformer, resamplers, the Hugging Face model
classes, shipped weights."""
