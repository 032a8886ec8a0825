//! A packet as bytes: building it, and recognising headers in bytes that come back.
