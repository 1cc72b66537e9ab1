"""Arrays in, figures and text tables out. Knows no models; saves and shows nothing."""
