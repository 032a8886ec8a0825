//! Felix's hashes: of rules, of long chain names, of sets.
