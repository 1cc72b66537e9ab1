"""The anatomy of a net: shapes, parameters, bytes, multiply-accumulates, receptive fields, graphs, arithmetic."""
