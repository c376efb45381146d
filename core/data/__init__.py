"""CIFAR-10: getting and verifying it, choosing classes and a split, augmenting a batch."""
