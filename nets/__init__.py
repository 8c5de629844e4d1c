"""Generators and discriminators of the StyleGAN family, and the checkpoint files they come in."""
