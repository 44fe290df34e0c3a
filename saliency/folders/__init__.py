"""From a file of annotations to a folder of maps; reading such folders, comparing and averaging them."""
