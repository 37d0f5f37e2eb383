"""From interactions on disk to a sparse matrix and vocabularies, and the split of it for evaluation."""
