"""A whole laboratory on one machine: drawn faces, simulated participants, every step of the chain."""
