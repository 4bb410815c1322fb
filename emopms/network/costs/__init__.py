"""MACs and parameters: predicted for genomes, and counted on real modules."""
