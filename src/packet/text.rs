//! The one-line form of a packet that people type and reports print.
