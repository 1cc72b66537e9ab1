"""What the faces show alike, the command line and Python in a terminal or a notebook: text that harms no terminal,
and how far long work is.
"""
