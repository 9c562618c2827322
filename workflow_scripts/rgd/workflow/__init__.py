"""What the rules compute: paths, inputs, targets, resources."""
