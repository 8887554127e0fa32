"""Pictures in: one's own files and the samples that come with the course."""
