"""How alike two maps are, how far annotators agree, and how many of them a map needs."""
