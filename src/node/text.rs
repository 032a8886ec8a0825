//! Node files: YAML, read and written.
