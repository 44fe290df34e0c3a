"""The training loop and all that it needs: device, steps, optimisers, checkpoints."""
