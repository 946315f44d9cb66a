"""The pure middle: the standard, the target, the plan, verdicts, levels, the report model."""
