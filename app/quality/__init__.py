"""What in a participant's work staff should look at: flags, never rejections."""
