"""From strokes to masks: checking strokes, and which pixels they cover."""
