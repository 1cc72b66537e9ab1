"""What a net does where the world shifts or is pushed."""
