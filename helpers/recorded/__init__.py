"""What was computed once from photographs that do not travel with the course: embeddings, and curves of training."""
