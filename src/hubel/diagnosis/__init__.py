"""The doctor: checks of data, net, loss, optimiser and run that name what is wrong, with numbers and one mend each."""
