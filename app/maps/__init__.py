"""Saliency maps: from the annotations of a study to one map per image."""
