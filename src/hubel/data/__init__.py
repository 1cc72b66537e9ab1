"""From a source to batches: manifest, scan, splits, decoded cache, batches, augmentation."""
