"""What a net has learnt to see: its units, the space of its features, samples that stand for others."""
