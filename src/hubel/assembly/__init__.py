"""From a recipe and data to a training that is ready: choices, data, net, trials, transfer, wiring."""
