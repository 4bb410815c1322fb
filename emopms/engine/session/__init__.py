"""Code that all stages share: the context, networks, images, training and scoring."""
