"""From masks to maps: which annotations count, how their masks are merged, blurred, scaled and coarsened."""
