"""Networks, their class activation maps, and what they minimise."""
