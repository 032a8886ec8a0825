//! Namespaces, links, the real tools, injection and observation.
