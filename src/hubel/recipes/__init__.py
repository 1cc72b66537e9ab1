"""What a run depends on, as one schema: its fields, presets, and how files, flags and the environment fill them in."""
