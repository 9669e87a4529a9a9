"""What an instance is made of. Each part: the manifests wanted, and its state from what is observed. Pure."""
