"""Answering fast: the form in which a trained net is served, and how long each form takes."""
