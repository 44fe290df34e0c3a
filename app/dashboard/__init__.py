"""The pages that staff look at: they read every feature and change things only through its service."""
