"""Phase 1, the data format: what a target's documents hold, and what its validator refuses."""
