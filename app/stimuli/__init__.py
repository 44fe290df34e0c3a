"""Images: what comes in, what is refused, and the two forms in which a picture is kept."""
