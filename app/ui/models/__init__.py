"""The model picker: every GGUF of the cluster with its verdict, the plan of one, and its launch."""
