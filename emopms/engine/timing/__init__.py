"""Short timings on random images, from which stages estimate their duration."""
