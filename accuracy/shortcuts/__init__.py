"""Whether real and fake images can be told apart by what is not the face."""
