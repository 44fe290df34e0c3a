"""What a table of decisions shows: each number with its interval, its method and one sentence."""
