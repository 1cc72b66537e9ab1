"""What a user can ask. A verb reads, calls the benches and writes; faces call verbs and hold no logic."""
