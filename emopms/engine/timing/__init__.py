"""Short measurements on random images, from which stages estimate how long they take."""
