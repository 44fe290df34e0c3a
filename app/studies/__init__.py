"""Studies: what a description asks for, which faces are paired, and the states a study goes through."""
