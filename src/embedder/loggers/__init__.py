"""What writes the numbers of a training run: to CSV files, TensorBoard, Weights & Biases."""
