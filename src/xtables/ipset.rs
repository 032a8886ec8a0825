//! `ipset save` and `ipset list` text, read and written.
