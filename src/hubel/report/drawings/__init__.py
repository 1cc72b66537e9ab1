"""Results in, figures out: one function a result, named draw_RESULT, by the room the result comes from."""
