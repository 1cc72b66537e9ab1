"""The calculations that teach: formulas, descent, arithmetic of a layer, tapes, flows of gradients."""
