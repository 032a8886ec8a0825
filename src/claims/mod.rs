//! The seed's claims as checks.
