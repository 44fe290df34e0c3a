"""From image files to the pictures that a person would see; resizing and the face crop."""
