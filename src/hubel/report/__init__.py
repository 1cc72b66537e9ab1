"""Result dataclasses in, one self-contained HTML page or a terminal table out."""
