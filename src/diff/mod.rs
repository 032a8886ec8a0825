//! Journeys compared; the first difference found.
