//! Faults planted on purpose, to judge the harness.
