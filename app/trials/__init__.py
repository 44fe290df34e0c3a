"""What a participant sees and decides, one trial at a time."""
