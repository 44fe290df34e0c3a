"""Dataset folders, and their images and human maps as tensors."""
