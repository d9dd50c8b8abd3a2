"""The real graph with a scripted model in place of the neural one, so that whole loops run in seconds."""
