"""Use cases: what the twin does, whoever asks. Each checks the rules of phase 1 before anything is stored."""
