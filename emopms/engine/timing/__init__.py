"""Short timings on random images: stages estimate their duration from them, and comparisons measure latencies."""
