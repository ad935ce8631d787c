"""Training: data build, augmentation, collators, supervised fine-tuning."""
