"""Phase 4: what binds the programme itself (annexes), and later integration."""
