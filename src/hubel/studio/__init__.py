"""The studio: everything hubel knows, on a local page. Routes, jobs and events; nothing is computed here."""
