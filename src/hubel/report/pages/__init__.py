"""Pages: results in, one self-contained file of HTML out."""
