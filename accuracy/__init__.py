"""How well people and detectors tell real faces from synthetic ones: tables in, numbers out, no database."""
