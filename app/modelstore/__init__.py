"""GGUF files: reading their headers, the catalogue of what lies on the disks."""
