"""Code that several stages use: the context, networks, images, training and scoring."""
