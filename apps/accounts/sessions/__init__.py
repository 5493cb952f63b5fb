"""Sessions of browsers: their owner sees and ends them."""
