"""Training of the StyleGAN family."""
